import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { buildImage, type BuildOptions } from './build.ts';
import { testBackend } from './contract.ts';

testBackend({
  type: 'local',
  async start() {
    const root = mkdtempSync(join(tmpdir(), 'cairn-local-cache-'));
    return {
      place: () => {
        const directory = join(root, randomUUID());
        return { to: { dest: directory }, from: { src: directory } };
      },
      stop: async () => rmSync(root, { recursive: true, force: true }),
    };
  },
});

describe('caches in one directory', () => {
  let directory: string;
  before(() => (directory = mkdtempSync(join(tmpdir(), 'cairn-local-tags-'))));
  after(() => rmSync(directory, { recursive: true, force: true }));

  // No image is pulled.
  const build = (name: string, options: BuildOptions) =>
    buildImage('127.0.0.1:1', { dockerfile: `FROM scratch\nCOPY a /${name}\n`, ...options });

  test('are all asked, by tag, by a name with colons and by digest', async () => {
    const tags = ['latest', 'two', 'docker.io/library/app:3'];
    let first = '';
    for (const [index, tag] of tags.entries()) {
      const built = await build(`step${index}`, { to: [`type=local,dest=${directory},tag=${tag}`] });
      assert.deepEqual([built.error, built.warnings], [undefined, []]);
      const { digest } = JSON.parse(built.metadata['cache.manifest'] ?? '{}') as { digest: string };
      first ||= digest;
    }
    const src = `type=local,src=${directory}`;
    for (const [index, from, cache] of [
      [0, [src, `${src},tag=two`], `local:${directory}`],
      [1, [src, `${src},tag=two`], `local:${directory}:two`],
      [2, [`${src},tag=two`, `${src},tag=${tags[2]}`], `local:${directory}:${tags[2]}`],
      [0, [`${src},tag=two`, `${src},digest=${first}`], `local:${directory}@${first}`],
    ] as const) {
      const built = await build(`step${index}`, { from: [...from] });
      assert.deepEqual([built.error, built.warnings], [undefined, []]);
      assert.deepEqual(built.caches, [cache]);
    }
  });

  test('a tag that is not there is nothing to be told, a digest is', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const src = `type=local,src=${directory}`;
    const silent = await build('other', { from: [`${src},tag=none`] });
    assert.deepEqual([silent.error, silent.warnings], [undefined, []]);
    const told = await build('other', { from: [`${src},digest=${digest}`] });
    assert.equal(told.error, undefined);
    assert.deepEqual(told.warnings, [
      `cache local:${directory}@${digest} cannot be imported: there is no manifest ${digest}`,
    ]);
  });
});
