/** Directories of the store that somebody removed by hand are noticed where they are used, and made anew. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cairnAndRegistry } from './cairn_and_registry.ts';

const { cairn } = await cairnAndRegistry();

for (const [what, last] of [
  ['is exported', 'RUN echo two > /two'],
  ['is built upon', 'RUN echo three > /two'],
] as const) {
  test(`all directories are removed, and what was in them ${what}`, async () => {
    cairn.removeStore();
    const build = async (step: string) => {
      const Dockerfile = `FROM busybox\nRUN echo one > /one\n${step}\n`;
      const out = `type=oci,dest=${join(cairn.directory, 'image.tar')}`;
      const args = ['build', '--progress=plain', '--output', out, cairn.project({ Dockerfile })];
      return cairn.run(args);
    };
    await cairn.build([
      '--output',
      'type=cacheonly',
      cairn.project({ Dockerfile: 'FROM busybox\nRUN echo one > /one\nRUN echo two > /two\n' }),
    ]);
    const snapshots = join(cairn.store, 'snapshots');
    for (const format of readdirSync(snapshots))
      for (const id of readdirSync(join(snapshots, format)))
        rmSync(join(snapshots, format, id), { recursive: true });
    const { code, stderr } = await build(last);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /directories of the store were gone; what is needed is made again$/m);
    const again = await build(last);
    assert.equal(again.code, 0, again.stderr);
    assert.doesNotMatch(again.stderr, /were gone/);
  });
}
