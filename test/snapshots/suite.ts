/** What every snapshotter must do; run once for each of them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  ANNOTATION_UNCOMPRESSED,
  type BlobProvider,
  type CompressionType,
  type Digest,
} from '../../src/content/contract.ts';
import type { RemoteLayer, Snapshot } from '../../src/snapshots/contract.ts';
import { lstat } from '../../src/snapshots/changes/file_info.ts';
import { openFixture, type Fixture } from './fixture.ts';

const LIST = `find . -mindepth 1 ! -name lost+found -printf '%P %y %m %U:%G %s %l\\n' | sort`;

export function testSnapshots(name: 'overlay' | 'native'): void {
  describe(`snapshots: ${name}`, () => suite(name));
}

function suite(name: 'overlay' | 'native'): void {
  let f: Fixture;
  before(() => {
    process.env['CAIRN_SNAPSHOTTER'] = name;
    f = openFixture();
  });
  after(() => f.close());

  const list = async (snapshot: Snapshot, script = LIST): Promise<string[]> =>
    (await f.shell(await f.snapshots.view(snapshot), script)).split('\n').filter((line) => line !== '');
  const names = (snapshot: Snapshot): Promise<string[]> =>
    list(snapshot, `find . -mindepth 1 -printf '%P\\n' | sort`);
  /** Entry names of each layer's blob. */
  const tars = async (snapshot: Snapshot): Promise<string[][]> => {
    const remote = await f.snapshots.remote(snapshot, { type: 'gzip' });
    return (remote?.descriptors ?? []).map(({ digest }) =>
      execFileSync('tar', ['tzf', f.content.path(digest)], { encoding: 'utf8' })
        .split('\n')
        .filter((line) => line !== ''),
    );
  };
  /** The layers of a snapshot as somebody else's store would see them. */
  const published = async (snapshot: Snapshot, from = f): Promise<RemoteLayer[]> => {
    const remote = await from.snapshots.remote(snapshot, { type: 'gzip' });
    assert(remote);
    return remote.descriptors.map((descriptor) => ({
      descriptor,
      diffID: descriptor.annotations?.[ANNOTATION_UNCOMPRESSED] as Digest,
      provider: remote.provider,
    }));
  };

  test(`${name}: commit keeps what a step wrote, and the parent stays as it was`, async () => {
    const a = await f.layer(undefined, 'mkdir d; echo 1 > d/one; echo 2 > two; ln -s two link');
    const b = await f.layer(a, 'echo changed > d/one; rm two; mkfifo pipe; chown 5:6 d');
    assert.deepEqual(await list(a), [
      'd d 755 0:0 4096 ',
      'd/one f 644 0:0 2 ',
      'link l 777 0:0 3 two',
      'two f 644 0:0 2 ',
    ]);
    assert.deepEqual(await list(b), [
      'd d 755 5:6 4096 ',
      'd/one f 644 0:0 8 ',
      'link l 777 0:0 3 two',
      'pipe p 644 0:0 0 ',
    ]);
    assert.deepEqual(await tars(b), [
      ['d/', 'd/one', 'link', 'two'],
      ['d/', 'd/one', 'pipe', '.wh.two'],
    ]);
  });

  test(`${name}: sweep deletes directories and blobs that no record refers to, and nothing else`, async () => {
    const kept = await f.layer(undefined, 'echo 1 > kept');
    await f.snapshots.remote(kept, { type: 'gzip' });
    const { digest } = await f.content.ingest(Buffer.from('a blob that nothing refers to'));
    f.content.releaseLeases();
    const orphan = f.store.path('snapshots', name, 'f'.repeat(32), 'fs');
    mkdirSync(orphan, { recursive: true });
    await f.snapshots.sweep();
    assert.equal(existsSync(orphan), false);
    assert.notEqual(f.content.info(digest), undefined, 'young blobs stay');
    assert.equal(await f.snapshots.sweep({ all: true }), 29);
    assert.equal(f.content.info(digest), undefined);
    assert.deepEqual(await names(kept), ['kept']);
    assert.deepEqual(await tars(kept), [['kept']]);
  });

  test(`${name}: a discarded layer leaves nothing`, async () => {
    const active = await f.snapshots.prepare(undefined, { description: 'discarded' });
    await f.shell(active.mount, 'echo x > x');
    await active.discard();
    assert.deepEqual(
      readdirSync(join(f.root, 'store/tmp', f.store.owner)).filter((n) => n.endsWith('-layer')),
      [],
    );
  });

  test(`${name}: a directory that was removed and made anew tells each removal`, async () => {
    const a = await f.layer(undefined, 'mkdir -p d/sub; echo 1 > d/a; echo 2 > d/b; echo 3 > d/sub/c');
    const b = await f.layer(a, 'rm -r d; mkdir d; echo new > d/n');
    assert.deepEqual((await tars(b))[1], ['d/', 'd/.wh.a', 'd/.wh.b', 'd/n', 'd/.wh.sub']);
    assert.deepEqual(await names(b), ['d', 'd/n']);
  });

  test(`${name}: hard links, xattrs, setuid, odd names and sparse files survive tar and unpack`, async () => {
    const script = [
      'echo x > f; ln f g; mkdir d; ln f d/h',
      'cp /bin/true cap; setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 cap',
      'echo s > suid; chmod 6755 suid; mknod dev c 1 3; mknod blk b 7 300',
      "printf n > \"$(printf 'n\\377\\376')\"; printf l > $(printf 'l%.0s' $(seq 200))",
      'truncate -s 100M sparse; printf data | dd of=sparse bs=1 seek=50000000 conv=notrunc 2>/dev/null',
      'chown 3000000:4000000 suid; chmod 6755 suid; touch -d @1234567890.5 f',
    ].join('\n');
    const check = [
      "find . -mindepth 1 -printf '%P %y %m %U:%G %s %n %T@ %l\\n' | sed 's/\\.[0-9]* $/ /' | LC_ALL=C sort",
      'getfattr -n security.capability -e hex cap; stat -c %t:%T dev blk; sha256sum f',
      'dd if=sparse bs=1 skip=50000000 count=4 2>/dev/null; test $(du -k sparse | cut -f1) -lt 1000',
    ].join('\n');
    const made = await f.layer(undefined, script);
    const layers = await published(made);
    const expected = await list(made, check);
    const other = openFixture();
    try {
      const copy = await other.snapshots.fromLayers(layers, { description: 'copy' });
      const got = (await other.shell(await other.snapshots.view(copy), check)).split('\n');
      assert.deepEqual(
        got.filter((line) => line !== ''),
        expected,
      );
      // And the same tar again.
      other.store.db.exec('DELETE FROM layer_blob; UPDATE layer SET diff_id = NULL');
      for (const { descriptor } of layers) other.snapshots.disbelieve(descriptor.digest);
      const again = await other.snapshots.remote(copy, { type: 'uncompressed' });
      assert.deepEqual(
        again?.descriptors.map((d) => d.digest),
        layers.map((l) => l.diffID),
      );
    } finally {
      await other.close();
    }
  });

  test(`${name}: fromLayers reads nothing until files are needed, and equal chains are one snapshot`, async () => {
    const a = await f.layer(undefined, 'echo base > base');
    const b = await f.layer(a, 'echo top > top');
    const layers = await published(b);
    const other = openFixture();
    let reads = 0;
    const counting: BlobProvider = {
      read: (blob, options) => {
        reads++;
        return f.content.read(blob, options);
      },
    };
    try {
      const remote = layers.map((layer) => ({ ...layer, provider: counting }));
      const one = await other.snapshots.fromLayers(remote, { description: 'pulled' });
      const two = await other.snapshots.fromLayers(remote, { description: 'pulled' });
      assert.equal(one.id, two.id);
      assert.equal(other.snapshots.usable(one), true);
      const listed = await other.snapshots.remote(one, { type: 'gzip' }, { existingOnly: true });
      assert.deepEqual(
        listed?.descriptors.map((d) => d.digest),
        layers.map((l) => l.descriptor.digest),
      );
      assert.equal(reads, 0);
      const mount = await other.snapshots.view(one);
      assert.equal(await other.shell(mount, 'cat base top'), 'base\ntop\n');
      assert.equal(reads, 2);
      await other.snapshots.view(two);
      assert.equal(reads, 2);
    } finally {
      await other.close();
    }
    // What was made here is recognised as well.
    assert.equal((await f.snapshots.fromLayers(layers, { description: 'x' })).id, b.id);
  });

  test(`${name}: layers whose blobs were made one by one are recognised by their chain`, async () => {
    const a = await f.layer(undefined, 'echo early > early');
    await f.snapshots.makeBlob(a, { type: 'gzip' });
    const b = await f.layer(a, 'echo later > later');
    await f.snapshots.makeBlob(b, { type: 'gzip' });
    const blobs = readdirSync(join(f.root, 'store/blobs/sha256')).length;
    await f.snapshots.makeBlob(b, { type: 'zstd', force: true });
    const layers = await published(b);
    assert.equal(readdirSync(join(f.root, 'store/blobs/sha256')).length, blobs);
    assert.equal((await f.snapshots.fromLayers(layers, { description: 'x' })).id, b.id);
  });

  test(`${name}: a layer without provider, blob or files is not usable`, async () => {
    const made = await f.layer(undefined, 'echo lost > lost');
    const layers = await published(made);
    const other = openFixture();
    try {
      const { id } = await other.snapshots.fromLayers(layers, { description: 'pulled' });
      const later = other.reopen();
      const found = later.snapshots.get(id);
      assert(found);
      assert.equal(later.snapshots.usable(found), false);
      await assert.rejects(later.snapshots.view(found), { code: 'NOT_FOUND' });
      later.close();
    } finally {
      await other.close();
    }
  });

  test(`${name}: unpack refuses a blob whose tar has another diffID, and leaves nothing`, async () => {
    const made = await f.layer(undefined, 'echo honest > h');
    const [layer] = await published(made);
    assert(layer);
    const other = openFixture();
    try {
      const wrong: RemoteLayer = { ...layer, diffID: `sha256:${'0'.repeat(64)}` };
      const lie = await other.snapshots.fromLayers([wrong], { description: 'lie' });
      await assert.rejects(other.snapshots.view(lie), { code: 'CORRUPT' });
      assert.equal(existsSync(join(other.root, `store/snapshots/${name}/${lie.layers[0]?.id}`)), false);
    } finally {
      await other.close();
    }
  });

  test(`${name}: merge stacks layers, deletions included`, async () => {
    const base = await f.layer(undefined, 'mkdir d; echo 1 > d/a; echo 2 > b');
    const change = await f.layer(base, 'rm b; echo 3 > d/c');
    const removal = await f.snapshots.diff(base, change, { description: 'diff' });
    const other = await f.layer(undefined, 'echo keep > keep; echo b > b');
    const merged = await f.snapshots.merge([other, removal], { description: 'merge' });
    assert.deepEqual(await names(merged), ['d', 'd/c', 'keep']);
    const twice = await f.snapshots.merge([base, other, base], { description: 'merge' });
    assert.equal((await list(twice, 'cat b')).join(), '2');
    const on = await f.layer(merged, 'echo on > on');
    assert.deepEqual(await names(on), ['d', 'd/c', 'keep', 'on']);
  });

  test(`${name}: diff of unrelated trees is a layer that turns one into the other`, async () => {
    const a = await f.layer(undefined, 'mkdir d; echo 1 > d/one; echo same > same; touch -d @1 same d');
    const b = await f.layer(undefined, 'mkdir d; echo 2 > d/two; echo same > same; touch -d @1 same d');
    const diff = await f.snapshots.diff(a, b, { description: 'diff' });
    const merged = await f.snapshots.merge([a, diff], { description: 'merge' });
    assert.deepEqual(await names(merged), ['d', 'd/two', 'same']);
    assert.deepEqual(await tars(diff), [['d/', 'd/.wh.one', 'd/two']]);
    assert.deepEqual((await f.snapshots.diff(a, a, { description: 'none' })).layers, []);
    assert.deepEqual(await names(await f.snapshots.diff(b, b, { description: 'none' })), []);
  });

  test(`${name}: fromTar makes a blob of entries and no directory until files are needed`, async () => {
    const entry = { linkname: '', uid: 0, gid: 0, mtime: 1e9, mtimeNs: 0, devMajor: 0, devMinor: 0 };
    const file = join(f.root, 'planned');
    writeFileSync(file, 'from a file');
    const info = lstat(file);
    assert(info);
    const made = await f.blob(
      [
        { ...entry, type: 'dir', name: 'd', mode: 0o755, size: 0, xattrs: undefined },
        {
          ...entry,
          type: 'file',
          name: 'd/a',
          mode: 0o600,
          size: 2,
          xattrs: undefined,
          content: { data: Buffer.from('hi') },
        },
        {
          ...entry,
          type: 'file',
          name: 'd/b',
          mode: 0o644,
          size: 11,
          xattrs: undefined,
          content: { path: file, info },
        },
      ],
      { type: 'zstd' },
    );
    const id = name === 'native' ? made.id : made.layers[0]?.id;
    const directory = join(f.root, `store/snapshots/${name}/${id}`);
    const remote = await f.snapshots.remote(made, { type: 'gzip' }, { existingOnly: true });
    assert.match(remote?.descriptors[0]?.mediaType ?? '', /zstd$/);
    assert.equal(existsSync(directory), false);
    assert.deepEqual(await list(made, 'cat d/a; echo; cat d/b; stat -c %a:%Y d/a'), [
      'hi',
      'from a file600:1000000000',
    ]);
    assert.equal(existsSync(directory), true);
  });

  test(`${name}: remote converts with force, and keeps what is there without`, async () => {
    let made = await f.layer(undefined, 'echo c > c');
    const media = async (type: CompressionType, force: boolean): Promise<string> =>
      (await f.snapshots.remote(made, { type, force }))?.descriptors[0]?.mediaType ?? '';
    assert.match(await media('zstd', false), /tar\+zstd$/);
    assert.match(await media('gzip', false), /tar\+zstd$/);
    assert.match(await media('gzip', true), /tar\+gzip$/);
    assert.match(await media('gzip', false), /tar\+gzip$/);
    assert.match(await media('uncompressed', true), /tar$/);

    made = await f.layer(undefined, 'echo d > d');
    for (const type of ['gzip', 'zstd', 'estargz'] as const) await media(type, true);
    assert.match(await media('uncompressed', false), /tar\+gzip$/);
  });

  test(`${name}: fromHostTree copies what the patterns show, owned by root`, async () => {
    const root = join(f.root, 'host');
    mkdirSync(join(root, 'src'), { recursive: true });
    writeFileSync(join(root, 'src/a'), 'a', { mode: 0o640 });
    writeFileSync(join(root, 'ignored'), 'x');
    symlinkSync('src/a', join(root, 'link'));
    execFileSync('chown', ['-R', '7:8', root]);
    const snapshot = await f.snapshots.fromHostTree({
      kind: 'host',
      id: 'h',
      name: 'context',
      root,
      includePatterns: [],
      excludePatterns: ['ignored'],
      followPaths: [],
    });
    assert.deepEqual(await list(snapshot), [
      'link l 777 0:0 5 src/a',
      'src d 755 0:0 4096 ',
      'src/a f 640 0:0 1 ',
    ]);
  });

  test(`${name}: delete keeps what others need, and frees the rest`, async () => {
    const a = await f.layer(undefined, 'head -c 100000 /dev/urandom > big');
    const b = await f.layer(a, 'echo b > b');
    await f.snapshots.remote(b, { type: 'gzip' });
    assert.equal(await f.snapshots.delete(b.id), 0, 'in use');
    f.snapshots.releaseLeases();
    (f.content as { releaseLeases?: () => void }).releaseLeases?.();
    assert.equal(await f.snapshots.delete(a.id), 0, 'has a child');
    assert((await f.snapshots.delete(b.id)) > 0);
    assert((await f.snapshots.delete(a.id)) > 200_000 - 1);
    assert.equal(f.snapshots.get(a.id), undefined);
    assert.equal(
      f.snapshots.usage().some(({ id }) => id === a.id || id === b.id),
      false,
    );
  });

  test(`${name}: two processes unpack the same chain at once`, async () => {
    const made = await f.layer(undefined, 'seq 1000 | while read i; do echo $i > f$i; done');
    const layers = await published(made);
    const other = openFixture();
    const second = other.reopen();
    try {
      const [a, b] = [
        await other.snapshots.fromLayers(layers, { description: 'x' }),
        await second.snapshots.fromLayers(layers, { description: 'x' }),
      ];
      assert.equal(a.id, b.id);
      const mounts = await Promise.all([other.snapshots.view(a), second.snapshots.view(b)]);
      assert.deepEqual(mounts[0], mounts[1]);
      assert.equal((await other.shell(mounts[0], 'ls | wc -l')).trim(), '1000');
      assert.deepEqual(
        readdirSync(join(other.root, 'store/tmp')).flatMap((owner) =>
          readdirSync(join(other.root, 'store/tmp', owner)).filter((n) => n.endsWith('-layer')),
        ),
        [],
      );
    } finally {
      second.close();
      await other.close();
    }
  });

  test(`${name}: a full stack of layers mounts`, async () => {
    let snapshot: Snapshot | undefined;
    for (let i = 0; i < 100; i++) snapshot = await f.layer(snapshot, `echo ${i} > f${i}; rm -f f${i - 2}`);
    assert(snapshot);
    assert.deepEqual(await names(snapshot), ['f98', 'f99']);
    rmSync(join(f.root, 'host'), { recursive: true, force: true });
  });
}
