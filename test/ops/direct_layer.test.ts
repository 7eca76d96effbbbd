/** Layers that are written as blobs at once are what the differ makes of a directory, byte for byte. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { collect } from '../../src/content/verify.ts';
import { FileOpSchema } from '../../src/llb/gen/ops_pb.js';
import type { Snapshot, Tree } from '../../src/snapshots/contract.ts';
import { copy, mkdir, mkfile, openFixture, rm, symlink, type Action } from './fixture.ts';

const fixture = openFixture();
after(() => fixture.close());
const started = Math.floor(Date.now() / 1000);

/** Times of their own for everything a script made: with a fraction, as file systems have, or without, as tars. */
const DATED = '; find . -depth -exec touch -hd @1500000000.25 {} +';
const WHOLE = '; find . -depth -exec touch -hd @1500000000 {} +';

const BLOCK = 512;

/** The layer's tar, with the times at which this test changed something and the checksums over them taken out. */
async function topTar(snapshot: Snapshot): Promise<Buffer> {
  const remote = await fixture.snapshots.remote(snapshot, { type: 'uncompressed', force: true });
  const top = remote?.descriptors.at(-1);
  assert(remote && top);
  const tar = await collect(remote.provider.read(top), 1 << 28);
  for (let at = 0; at < tar.length; at += BLOCK) {
    if (tar.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    if (Number.parseInt(tar.toString('latin1', at + 136, at + 147), 8) >= started)
      tar.fill(0, at + 136, at + 148);
    tar.fill(0, at + 148, at + 156);
  }
  return tar;
}

async function runsBothWays(actions: Action[], target?: Tree, source?: Tree): Promise<{ direct: boolean }> {
  fixture.direct = undefined;
  const made = await fixture.run(actions, target, source);
  fixture.direct = { type: 'gzip' };
  const planned = await fixture.run(actions, target, source);
  fixture.direct = undefined;
  const top: Snapshot = { ...planned, layers: planned.layers.slice(-1) };
  const existing = await fixture.snapshots.remote(top, { type: 'gzip' }, { existingOnly: true });
  const [directory, blob] = [await topTar(made), await topTar(planned)];
  assert.deepEqual(names(blob), names(directory));
  assert.ok(blob.equals(directory), 'the tars differ in more than names');
  return { direct: existing !== undefined };
}

function names(tar: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at < tar.length; at += BLOCK) {
    if (tar.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    const text = (from: number, length: number) =>
      tar.toString('latin1', at + from, at + from + length).replace(/\0.*$/s, '');
    found.push(
      [100, 108, 116, 124, 136, 156, 0, 157]
        .map((from) => text(from, from === 156 ? 1 : from % 157 === 0 ? 100 : 12))
        .join(' '),
    );
  }
  return found;
}

const BASE = `mkdir -p etc app/sub usr/lib srv; ln -s usr/lib lib; ln -s /srv data; echo -n old > app/old; chmod 700 app/sub
  echo 'app:x:1001:1002::/:' > etc/passwd; echo 'staff:x:50:' > etc/group; echo one > app/one; ln app/one app/two`;
const SOURCE = `mkdir -p s/a/deep s/b s/empty; echo -n 1 > s/a/deep/x.go; echo -n 2 > s/b/y.md; echo -n 3 > s/z.go; : > s/void
  chmod 4750 s/z.go; chmod 1777 s/empty; chown 5:6 s/b s/b/y.md; ln -s ../nowhere s/l; echo -n a.c > s/a.c
  mkdir s/long; echo x > s/long/$(printf 'n%.0s' $(seq 1 150)); echo u > "s/$(printf 'h\\303\\251')"`;

const byName = (user: string, group: string) => ({
  user: { user: { case: 'byName' as const, value: { name: user, input: 0n } } },
  group: { user: { case: 'byName' as const, value: { name: group, input: 0n } } },
});
const byNumber = { user: { user: { case: 'byID' as const, value: 77 } } };

interface Case {
  actions: Action[];
  /** Made over scratch. */
  scratch?: true;
  base?: string;
  source?: string;
  /** Needs a directory: the plan gives up. */
  disk?: true;
}

const CASES: Record<string, Case> = {
  'a file to a new path': { actions: [copy('/s/z.go', '/new/dir/f')] },
  'a file into a directory': { actions: [copy('/s/z.go', '/app/')] },
  'a file over a file': { actions: [copy('/s/z.go', '/app/old')] },
  'a file over one of two names': { actions: [copy('/s/z.go', '/app/two')] },
  'an empty file': { actions: [copy('/s/void', '/app/void')] },
  'a directory to a new path': { actions: [copy('/s', '/new')] },
  'a directory into one that is there': { actions: [copy('/s', '/app')] },
  'a directory over the root': { actions: [copy('/s', '/')] },
  'a directory itself': { actions: [copy('/s', '/app/', { dirCopyContents: false })] },
  'onto scratch': { actions: [copy('/s', '/'), copy('/s/z.go', '/bin/z')], scratch: true },
  'through links in the target': { actions: [copy('/s', '/lib/s'), copy('/s/z.go', '/data/x/y')] },
  'through a link that the op made': { actions: [symlink('/srv', '/app/l'), copy('/s', '/app/l/s')] },
  'owner by number': { actions: [copy('/s', '/new/o', { owner: byNumber })] },
  'owner by name': { actions: [copy('/s', '/new/o', { owner: byName('app', 'staff') })] },
  'mode in octal': { actions: [copy('/s', '/new/m', { mode: 0o4711 })] },
  'mode in symbols': { actions: [copy('/s', '/new/m', { modeStr: 'u=rwX,go=rX' })] },
  'a time': { actions: [copy('/s', '/new/t', { timestamp: 1_600_000_000_000_000_000n })] },
  'include and exclude': {
    actions: [copy('/s', '/o', { includePatterns: ['**/*.go'], excludePatterns: ['z.*'] })],
  },
  'exclude into a directory that is there': {
    actions: [copy('/s', '/app', { excludePatterns: ['**/*.go', '!a'] })],
  },
  wildcards: { actions: [copy('/s/*.go', '/o/'), copy('/s/[ab]', '/o/')] },
  'no match': { actions: [copy('/none*', '/o/')] },
  'hard links': {
    source:
      'mkdir s; echo -n x > s/m; ln s/m s/a; ln s/m s/z; mkdir s/d; ln s/m s/d/m; echo y > s/alone; ln s/alone out; ln -s q s/ql; ln s/ql s/qm',
    actions: [copy('/s', '/t')],
  },
  'hard links over files': {
    base: 'mkdir t; echo 1 > t/a; echo 2 > t/b',
    source: 'mkdir s; echo -n x > s/a; ln s/a s/b; ln s/a s/c',
    actions: [copy('/s', '/t')],
  },
  capabilities: {
    source: 'mkdir s; echo x > s/f; setcap cap_net_raw+ep s/f; ln s/f s/g',
    actions: [copy('/s', '/t')],
  },
  holes: {
    source:
      'truncate -s 3M s1; echo -n x >> s1; truncate -s 2M s2; printf data | dd of=s3 bs=1 seek=300000 2>/dev/null; truncate -s 900000 s3',
    actions: [copy('/s*', '/holes/')],
  },
  'the same file again': {
    base: 'mkdir t; echo -n x > t/f',
    source: 'echo -n x > f; echo -n y > g',
    actions: [copy('/f', '/t/f'), copy('/g', '/t/g')],
  },
  directories: {
    actions: [
      mkdir('/app/w/x/y', { makeParents: true, mode: 0o750, owner: byNumber }),
      mkdir('/app'),
      mkdir('/app/z'),
    ],
  },
  'a workdir that is there': { actions: [mkdir('/app/sub', { makeParents: true })] },
  'files from nothing': {
    actions: [mkfile('/app/f', 'text', { mode: 0o600, owner: byNumber }), mkfile('/app/void', '')],
  },
  'links from nothing': { actions: [symlink('../x', '/app/l')] },
  'links over links': {
    base: 'mkdir t; ln -s a t/l',
    source: 'mkdir s; ln -s b s/l',
    actions: [copy('/s', '/t')],
  },
  'a file over a link': {
    base: 'mkdir t; ln -s /srv t/l',
    source: 'mkdir s; echo f > s/l',
    actions: [copy('/s', '/t')],
  },
  'a file that replaces': {
    actions: [
      copy('/s', '/app', { alwaysReplaceExistingDestPaths: true }),
      copy('/s/z.go', '/app/old', { alwaysReplaceExistingDestPaths: true }),
    ],
  },
  'a file twice': { actions: [copy('/s/z.go', '/app/q'), copy('/s/a.c', '/app/q')] },
  'a plain file that could be an archive': {
    actions: [copy('/s/z.go', '/app/', { attemptUnpackDockerCompatibility: true })],
  },

  'an archive': {
    source: 'mkdir w; echo 1 > w/f; tar -cf a.tar w',
    actions: [copy('/a.tar', '/o/', { attemptUnpackDockerCompatibility: true })],
    disk: true,
  },
  'attributes that no layer has': {
    source: 'echo x > f; setfattr -n user.k -v v f',
    actions: [copy('/f', '/f')],
    disk: true,
  },
  devices: { source: 'mknod c c 1 3; mkfifo p', actions: [copy('/c', '/c'), copy('/p', '/p')], disk: true },
  'a deletion': { actions: [copy('/s/z.go', '/app/f'), rm('/app/old')], disk: true },
  'a file that replaces a directory': {
    base: 'mkdir -p t/x; echo 1 > t/x/f',
    source: 'mkdir t; echo 2 > t/x',
    actions: [copy('/t', '/t', { alwaysReplaceExistingDestPaths: true })],
    disk: true,
  },
  'a file that is written over': { actions: [mkfile('/app/old', 'new')], disk: true },
  'a name that means a deletion': {
    source: 'echo 1 > .wh.f',
    actions: [copy('/.wh.f', '/app/')],
    disk: true,
  },
  'a directory with the setgid bit': {
    base: 'mkdir t; chown 0:9 t; chmod 2755 t',
    source: 'mkdir s; echo 1 > s/f',
    actions: [mkdir('/t/d')],
    disk: true,
  },
  'a name of a file that did not change': {
    base: 'mkdir t; echo -n x > t/a',
    source: 'mkdir s; echo -n x > s/a; ln s/a s/b',
    actions: [copy('/s', '/t')],
    disk: true,
  },
};

/** Trees by what they were made from: many cases share theirs. */
const trees = new Map<string, Promise<Snapshot>>();
function tree(...scripts: string[]): Promise<Snapshot> {
  const name = scripts.join('\n');
  let made = trees.get(name);
  if (made === undefined) {
    const top = scripts.at(-1) ?? '';
    const below = scripts.length > 1 ? tree(...scripts.slice(0, -1)) : Promise.resolve(undefined);
    trees.set(name, (made = below.then((parent) => fixture.layer(parent, top))));
  }
  return made;
}

for (const [name, { actions, scratch, base = BASE, source = SOURCE, disk }] of Object.entries(CASES)) {
  test(`a layer is the same both ways: ${name}`, async () => {
    for (const dated of source === SOURCE ? [DATED] : [DATED, WHOLE]) {
      const target = scratch ? undefined : await tree(base + dated, `mkdir -p more; echo > more/f${dated}`);
      const stage = await tree('echo > below', source + dated);
      assert.equal((await runsBothWays(actions, target, stage)).direct, !disk);
    }
    if (/mknod|setcap|setfattr/.test(source)) return;
    const target = scratch ? undefined : await tree(base + DATED);
    assert.equal((await runsBothWays(actions, target, fixture.host(source + DATED))).direct, !disk);
  });
}

test('what fails, fails in the same words both ways', async () => {
  const host = fixture.host('mkdir d; echo -n f > d/x');
  const target = await fixture.layer(undefined, 'mkdir -p t/x; echo -n old > t/x/old; ln -s loop loop');
  const messages: unknown[] = [];
  for (const direct of [undefined, { type: 'gzip' as const }]) {
    fixture.direct = direct;
    for (const action of [
      copy('/d', '/t'),
      copy('/d/x', '/t/x/old/z'),
      copy('/none', '/o'),
      copy('/d', '/loop/x'),
      mkdir('/x/y'),
      copy('/d/x', `/${'n'.repeat(300)}`),
    ]) {
      messages.push(
        await fixture.run([action], target, host).then(
          () => 'no failure',
          (error: unknown) => (error as Error).message,
        ),
      );
    }
  }
  fixture.direct = undefined;
  assert.deepEqual(messages.slice(0, 6), messages.slice(6));
  assert.ok(!messages.includes('no failure'));
});

test('a layer that another action reads is a directory', async () => {
  fixture.direct = { type: 'gzip' };
  const host = fixture.host('echo 1 > f');
  const op = create(FileOpSchema, {
    actions: [
      { input: -1n, secondaryInput: 0n, output: 0n, action: copy('/f', '/a') },
      { input: -1n, secondaryInput: 1n, output: 1n, action: copy('/a', '/b') },
    ],
  });
  const outputs = await fixture.runOp(op, [host]);
  fixture.direct = undefined;
  const existing: boolean[] = [];
  for (const tree of outputs) {
    assert.ok(tree?.kind === 'snapshot');
    const remote = await fixture.snapshots.remote(tree, { type: 'gzip' }, { existingOnly: true });
    existing.push(remote !== undefined);
  }
  assert.deepEqual(existing, [false, true]);
});

test('files of a layer that is a blob only are unpacked when they are needed after all', async () => {
  fixture.direct = { type: 'zstd' };
  const base = await fixture.layer(undefined, 'mkdir d; echo -n 1 > d/kept');
  const blob = await fixture.run([copy('/f', '/d/f')], base, fixture.host('echo -n 2 > f'));
  fixture.direct = undefined;
  assert.equal(await fixture.shell(blob, 'cat d/kept d/f'), '12');
  const again = await fixture.run([copy('/d/f', '/g')], blob, blob);
  assert.equal(await fixture.shell(again, 'cat d/kept g'), '12');
});
