import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { buildImage, type BuildOptions } from './build.ts';
import { publishCache } from '../../src/cache/backends/publish.ts';
import { cacheOf, opener, testBackend } from './contract.ts';

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

test('a manifest that BuildKit could not read is told and imported', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-local-large-'));
  const opened = opener();
  try {
    const small = cacheOf('root', [Buffer.from('a layer')]);
    const layers = Array.from({ length: 6_000 }, (_, index) => ({
      blob: small.config.layers?.[0]?.blob ?? 'sha256:',
      parent: index - 1,
    }));
    const { entry, backend } = await opened.open('local', 'to', { dest: directory });
    const warnings: string[] = [];
    const { signal } = new AbortController();
    await publishCache(
      { ...small, config: { ...small.config, layers } },
      {
        entry,
        backend,
        signal,
        progress: { log() {}, status() {}, warning() {} },
        warn: (text) => void warnings.push(text),
      },
    );
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /: its manifest has 1[0-9]{6} bytes: .* BuildKit reads at most 1048576/);
    const { backend: from } = await opened.open('local', 'from', { src: directory });
    const found = await from.resolve((await from.names(signal))[0] ?? '', signal);
    assert.equal(found?.config.layers?.length, layers.length);
  } finally {
    opened.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
