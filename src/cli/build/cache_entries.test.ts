import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkCacheEntries, parseCacheEntries } from './cache_entries.ts';

const refusal = async (value: string, env: NodeJS.ProcessEnv = {}): Promise<void> =>
  checkCacheEntries(parseCacheEntries([value], '--cache-to'), 'to', { env, lenient: false });

describe('checkCacheEntries', () => {
  test('checks entries, too, that cannot work here and will be left out', async () => {
    await refusal('type=gha,scope=app');
    await assert.rejects(refusal('type=gha,skope=app'), /type=gha has no parameter "skope"/);
    await assert.rejects(refusal('type=gha,timeout=10'), /timeout: "10" is not a duration/);
  });
});
