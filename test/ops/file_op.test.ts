import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contentBased } from '../../src/ops/content_selectors.ts';
import type { Op, OpContext } from '../../src/ops/contract.ts';
import { guardHostInputs } from '../../src/ops/host_inputs.ts';
import { copy, mkdir, mkfile, openFixture, rm, symlink } from './fixture.ts';

const fixture = openFixture();
after(() => fixture.close());

/** Path, type, mode, owner and content or target of everything, one line each. */
const LIST = String.raw`find . -mindepth 1 -printf '%P %y %m %U:%G ' \( -type f -exec cat {} \; -printf '\n' -o -type l -printf '-> %l\n' -o -printf '\n' \) | sort`;

async function lines(snapshot: Parameters<typeof fixture.shell>[0], script = LIST): Promise<string[]> {
  return (await fixture.shell(snapshot, script)).split('\n').filter((line) => line !== '');
}

test('copy takes a file of a client directory, as root, with its mode and time', async () => {
  const host = fixture.host('echo -n hello > f; chmod 640 f; chown 5:6 f; touch -d @1700000000.5 f');
  const out = await fixture.run([copy('/f', '/a/b/g')], undefined, host);
  assert.deepEqual(await lines(out), ['a d 755 0:0 ', 'a/b d 755 0:0 ', 'a/b/g f 640 0:0 hello']);
  assert.deepEqual(await lines(out, "stat -c '%.9Y' a/b/g"), ['1700000000.500000000']);
});

test('a copy of the whole client directory has the time of the build: its root is not sent', async () => {
  const before = Math.floor(Date.now() / 1000);
  const host = fixture.host('mkdir d; touch -d @1700000000 d .');
  const out = await fixture.run([copy('/', '/a', { dirCopyContents: true })], undefined, host);
  const [root = '', below] = await lines(out, "stat -c '%Y' a a/d");
  assert.ok(Number(root) >= before, `${root} is before the build`);
  assert.equal(below, '1700000000');
});

test('copy takes the root of scratch for an empty directory', async () => {
  const all = { dirCopyContents: true };
  const out = await fixture.run([copy('/', '/x', all), copy('/', '/y/', all)], undefined, undefined);
  assert.deepEqual(await lines(out), ['x d 755 0:0 ', 'y d 755 0:0 ']);
  await assert.rejects(fixture.run([copy('/a', '/x', all)], undefined, undefined), {
    message: 'lstat /a: no such file or directory',
  });
});

test('copy keeps owners of a snapshot, and gives others by number and by name', async () => {
  const source = await fixture.layer(undefined, 'echo -n x > f; chown 7:8 f');
  const base = await fixture.layer(
    undefined,
    "mkdir etc; echo 'app:x:1001:1002::/:' > etc/passwd; echo 'staff:x:50:' > etc/group",
  );
  const byName = (user: string, group?: string) => ({
    user: { user: { case: 'byName' as const, value: { name: user, input: 0n } } },
    ...(group === undefined
      ? {}
      : { group: { user: { case: 'byName' as const, value: { name: group, input: 0n } } } }),
  });
  const out = await fixture.run(
    [
      copy('/f', '/kept'),
      copy('/f', '/number', { owner: { user: { user: { case: 'byID', value: 9 } } } }),
      copy('/f', '/name', { owner: byName('app') }),
      copy('/f', '/both', { owner: byName('app', 'staff') }),
      copy('/f', '/unknown', { owner: byName('nobody-here') }),
    ],
    base,
    source,
  );
  assert.deepEqual(await lines(out, "stat -c '%n %u:%g' kept number name both unknown"), [
    'kept 7:8',
    'number 9:9',
    'name 1001:1002',
    'both 1001:50',
    'unknown 0:0',
  ]);
});

test('copy applies octal and symbolic modes', async () => {
  const host = fixture.host('mkdir d; echo x > d/f; chmod 600 d/f; echo y > d/x; chmod 711 d/x');
  const octal = await fixture.run([copy('/d', '/o', { mode: 0o4751 })], undefined, host);
  assert.deepEqual(await lines(octal, "stat -c '%n %a' o o/f"), ['o 751', 'o/f 4751']);
  const symbolic = await fixture.run([copy('/d', '/s', { modeStr: 'u=rwX,go=rX' })], undefined, host);
  assert.deepEqual(await lines(symbolic, "stat -c '%n %a' s/f s/x"), ['s/f 644', 's/x 755']);
});

test('copy resolves wildcards in order and puts several files into a directory', async () => {
  const host = fixture.host(
    'mkdir -p s/d; for f in a.go b.go c.md; do echo -n $f > s/$f; done; echo -n deep > s/d/e.go',
  );
  const out = await fixture.run([copy('/s/*.go', '/out/')], undefined, host);
  assert.deepEqual(await lines(out), [
    'out d 755 0:0 ',
    'out/a.go f 644 0:0 a.go',
    'out/b.go f 644 0:0 b.go',
  ]);
  assert.deepEqual(await lines(await fixture.run([copy('/none*', '/out/')], undefined, host)), []);
  await assert.rejects(fixture.run([copy('/none*', '/o', { allowEmptyWildcard: false })], undefined, host), {
    message: '/none* not found',
  });
});

test('copy makes the directories of included files only', async () => {
  const host = fixture.host(
    'mkdir -p s/a/deep s/b; echo -n 1 > s/a/deep/x.go; echo -n 2 > s/b/y.md; echo -n 3 > s/z.go',
  );
  const out = await fixture.run(
    [copy('/s', '/o', { includePatterns: ['**/*.go'], excludePatterns: ['z.*'] })],
    undefined,
    host,
  );
  assert.deepEqual(await lines(out), [
    'o d 755 0:0 ',
    'o/a d 755 0:0 ',
    'o/a/deep d 755 0:0 ',
    'o/a/deep/x.go f 644 0:0 1',
  ]);
});

test('copy sees a client directory through the patterns of its source', async () => {
  const host = fixture.host('mkdir d; echo -n 1 > d/in; echo -n 2 > d/out', { excludePatterns: ['**/out'] });
  assert.deepEqual(await lines(await fixture.run([copy('/d', '/d')], undefined, host)), [
    'd d 755 0:0 ',
    'd/in f 644 0:0 1',
  ]);
  await assert.rejects(fixture.run([copy('/d/out', '/o')], undefined, host), {
    code: 'NOT_FOUND',
    message: 'lstat /d/out: no such file or directory',
  });
});

test('copy keeps hard links, symlinks, holes, devices and attributes', async () => {
  const source = await fixture.layer(
    undefined,
    `mkdir s; echo -n x > s/a; ln s/a s/b; ln -s ../nowhere s/l; mkfifo s/p; mknod s/c c 1 3; truncate -s 64M s/hole
     python3 -c 'import os; os.setxattr("s/a", "user.k", b"v\\0w")'`,
  );
  const out = await fixture.run([copy('/s', '/t')], undefined, source);
  const script = `[ "$(stat -c %i t/a)" = "$(stat -c %i t/b)" ]; readlink t/l; stat -c '%F %t:%T' t/p t/c; stat -c %s t/hole
    [ "$(stat -c %b t/hole)" -lt 100 ]; python3 -c 'import os; print(os.getxattr("t/a", "user.k"))'`;
  assert.deepEqual(await lines(out, script), [
    '../nowhere',
    'fifo 0:0',
    'character special file 1:3',
    '67108864',
    "b'v\\x00w'",
  ]);
});

test('copy makes character devices of block devices, as BuildKit does', async () => {
  const source = await fixture.layer(undefined, 'mkdir d; mknod d/b b 7 3; mknod d/c c 1 3; mkfifo d/p');
  const out = await fixture.run([copy('/d', '/x')], undefined, source);
  assert.deepEqual(await lines(out, "stat -c '%n %F %t:%T' x/b x/c x/p"), [
    'x/b character special file 7:3',
    'x/c character special file 1:3',
    'x/p fifo 0:0',
  ]);
});

test('copy follows links of source and target inside their trees only', async () => {
  const source = await fixture.layer(
    undefined,
    'mkdir real; echo -n inside > real/f; ln -s /real abs; ln -s ../../../../real/f up',
  );
  const target = await fixture.layer(undefined, 'mkdir in; ln -s ../../../../../in out');
  const out = await fixture.run([copy('/abs/f', '/out/1'), copy('/up', '/out/2')], target, source);
  assert.deepEqual(await lines(out, 'cat in/1; echo; cat in/2'), ['inside', 'inside']);
});

test('copy refuses to mix files and directories unless it may replace', async () => {
  const host = fixture.host('mkdir d; echo -n f > d/x; mkdir e; mkdir e/x; echo -n g > e/x/y');
  const target = await fixture.layer(undefined, 'mkdir -p t/x; echo -n old > t/x/old');
  await assert.rejects(fixture.run([copy('/d', '/t')], target, host), {
    message: 'cannot replace to directory /t/x with file',
  });
  const replaced = await fixture.run(
    [copy('/d', '/t', { alwaysReplaceExistingDestPaths: true })],
    target,
    host,
  );
  assert.deepEqual(await lines(replaced), ['t d 755 0:0 ', 't/x f 644 0:0 f']);
  await assert.rejects(fixture.run([copy('/e', '/t')], replaced, host), {
    message: 'cannot copy to non-directory: /t/x',
  });
  await assert.rejects(fixture.run([copy('/d/x', '/t/x/z')], replaced, host), {
    message: 'mkdir /t/x: not a directory',
  });
});

test('archives of every compression are unpacked, other files copied', async () => {
  const host = fixture.host(
    `mkdir w; echo -n t > w/f; ln -s f w/l; ln w/f w/h; tar --owner=3 --group=4 -cf a.tar -C w .
     gzip -k a.tar; bzip2 -k a.tar; xz -k a.tar; zstd -q a.tar; echo -n plain > p; gzip -k p`,
  );
  for (const name of ['a.tar', 'a.tar.gz', 'a.tar.bz2', 'a.tar.xz', 'a.tar.zst']) {
    const out = await fixture.run(
      [copy(`/${name}`, '/o', { attemptUnpackDockerCompatibility: true })],
      undefined,
      host,
    );
    assert.deepEqual(
      await lines(out),
      ['o d 755 0:0 ', 'o/f f 644 3:4 t', 'o/h f 644 3:4 t', 'o/l l 777 3:4 -> f'],
      name,
    );
  }
  const plain = await fixture.run(
    [copy('/p.gz', '/o/', { attemptUnpackDockerCompatibility: true })],
    undefined,
    host,
  );
  assert.deepEqual(await lines(plain, 'gzip -dc o/p.gz'), ['plain']);
});

test('archives cannot write outside of the directory they are unpacked into', async () => {
  const host = fixture.host(
    `python3 - <<'P'
import tarfile, io
def tar(name, *members):
    with tarfile.open(name, 'w') as t:
        for n, kind, link in members:
            m = tarfile.TarInfo(n); m.type = kind; m.linkname = link; m.mtime = 7; m.uid = 5
            m.mode = 0o750 if kind == tarfile.DIRTYPE else 0o640
            m.size = 1 if kind == tarfile.REGTYPE else 0
            t.addfile(m, io.BytesIO(b'!'))
FILE, DIR, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
tar('dots.tar', ('../../evil', FILE, ''), ('x/../../y', FILE, ''), ('../d/e', FILE, ''), ('/abs', FILE, ''))
tar('links.tar', ('etc', DIR, ''), ('a', LINK, '/etc'), ('a/evil', FILE, ''), ('b', LINK, '../../etc'),
  ('b/up', FILE, ''), ('etc/c', LINK, '../../d'), ('d', DIR, ''), ('etc/c/f', FILE, ''), ('h', HARD, '../../../a/evil'))
tar('top.tar', ('..', DIR, ''), ('f', FILE, ''))
tar('nowhere.tar', ('l', LINK, '/secret'), ('l/x', FILE, ''))
tar('hard.tar', ('h', HARD, '../../../secret'))
tar('all.tar', ('f', FILE, ''), ('/', FILE, ''))
P`,
  );
  const target = await fixture.layer(undefined, 'mkdir etc o; echo -n s > secret');
  const add = (name: string) =>
    fixture.run([copy(`/${name}`, '/o/', { attemptUnpackDockerCompatibility: true })], target, host);
  const inside = 'find o -printf "%P %y %m %U %l\\n" | sort; ls etc; ls /evil /etc/evil 2>/dev/null || true';
  const found = async (name: string) => (await lines(await add(name), inside)).map((line) => line.trim());
  assert.deepEqual(await found('dots.tar'), [
    'd 755 0',
    'abs f 640 5',
    'd d 755 0',
    'd/e f 640 5',
    'evil f 640 5',
    'y f 640 5',
  ]);
  assert.deepEqual(await found('links.tar'), [
    'd 755 0',
    'a l 777 5 /etc',
    'b l 777 5 ../../etc',
    'd d 750 5',
    'd/f f 640 5',
    'etc d 750 5',
    'etc/c l 777 5 ../../d',
    'etc/evil f 640 5',
    'etc/up f 640 5',
    'h f 640 5',
  ]);
  assert.deepEqual(await found('top.tar'), ['d 750 5', 'f f 640 5']);
  await assert.rejects(add('nowhere.tar'), { message: 'open /l/x: no such file or directory' });
  await assert.rejects(add('hard.tar'), { message: /^link .*secret .*: no such file or directory$/ });
  await assert.rejects(add('all.tar'), { message: 'unlinkat /: device or resource busy' });
});

test('an archive gives a directory its time also when its name is then another thing', async () => {
  const host = fixture.host(
    `python3 - <<'P'
import tarfile, io
def tar(name, *members):
    with tarfile.open(name, 'w') as t:
        for n, kind, link, time in members:
            m = tarfile.TarInfo(n); m.type = kind; m.linkname = link; m.mtime = time
            t.addfile(m, io.BytesIO(b''))
FILE, DIR, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
tar('a.tar', ('d', DIR, '', 1000), ('d', FILE, '', 2000), ('l', LINK, 'd', 3000), ('h', HARD, 'l', 4000))
tar('b.tar', ('d', DIR, '', 1), ('d/e', DIR, '', 2), ('d', FILE, '', 3))
P`,
  );
  const add = (name: string) =>
    fixture.run([copy(`/${name}`, '/', { attemptUnpackDockerCompatibility: true })], undefined, host);
  assert.deepEqual(await lines(await add('a.tar'), 'find d l h -printf "%P%f %y %T@\\n"'), [
    'd f 1000.0000000000',
    'l l 3000.0000000000',
    'h l 3000.0000000000',
  ]);
  await assert.rejects(add('b.tar'), { message: /: not a directory$/ });
});

test('mkdir, mkfile, symlink and rm do as they are told', async () => {
  const out = await fixture.run([
    mkdir('/a/b', { makeParents: true, mode: 0o700, timestamp: 1_600_000_000_000_000_000n }),
    mkdir('/a/b'),
    mkfile('/a/b/f', 'one', { mode: 0o600 }),
    mkfile('/a/b/f', 'two', { mode: 0o666 }),
    symlink('../target', '/a/l'),
    mkfile('/a/gone1', ''),
    mkfile('/a/gone2', ''),
    rm('/a/gone*', { allowWildcard: true }),
    rm('/a/never', { allowNotFound: true }),
  ]);
  assert.deepEqual(await lines(out), [
    'a d 700 0:0 ',
    'a/b d 700 0:0 ',
    'a/b/f f 600 0:0 two',
    'a/l l 777 0:0 -> ../target',
  ]);
  await assert.rejects(fixture.run([rm('/never')]), {
    code: 'NOT_FOUND',
    message: 'stat /never: no such file or directory',
  });
  await assert.rejects(fixture.run([mkdir('/x/y')]), { message: 'mkdir /x/y: no such file or directory' });
});

test('content digests of a snapshot are found again without mounting it', async () => {
  const snapshot = await fixture.layer(undefined, 'mkdir d; echo -n x > d/f');
  const ask = (path: string) => fixture.hasher.checksums(snapshot, [{ path }], { signal: fixture.signal });
  const first = await ask('/d');
  assert.deepEqual(await ask('/d'), first);
  assert.notDeepEqual(await ask('/'), first);
  await assert.rejects(ask('/none'), { message: '"/none": not found' });
});

test('a run fails when a client file changed after its key was made', async () => {
  const context = { signal: fixture.signal } as OpContext;
  const host = fixture.host('echo 1 > f; echo 1 > other');
  const guarded = (onRun: () => void): Op =>
    guardHostInputs({
      cacheMap: async () => ({
        map: { digest: 'sha256:0', deps: [contentBased([{ path: '/f' }], fixture.hasher)] },
        done: true,
      }),
      async run() {
        onRun();
        return [undefined];
      },
    });
  const run = async (onRun: () => void) => {
    const op = guarded(onRun);
    const { map } = await op.cacheMap(0, context);
    await map.deps[0]?.contentDigest?.(host, context);
    return op.run([host], context);
  };
  await run(() => writeFileSync(join(host.root, 'other'), '2'));
  await assert.rejects(
    run(() => writeFileSync(join(host.root, 'f'), '2')),
    { code: 'SOLVE', message: `files of ${host.root} changed while they were copied` },
  );
});
