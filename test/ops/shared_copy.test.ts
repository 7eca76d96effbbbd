/** Copies of many files, which several threads make together. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, test } from 'node:test';
import { copyBatch, waitForBatch, withdrawBatch, type CopyBatch } from '../../src/ops/file/copy_batch.ts';
import { SharedCopies } from '../../src/ops/file/shared_copies.ts';
import { lstat } from '../../src/snapshots/changes/file_info.ts';
import { copy, openFixture } from './fixture.ts';

const fixture = openFixture();
after(() => fixture.close());

/** Two thousand files in new directories; some with a second name, an attribute, a mode of their own, a link, holes. */
const MANY = `for d in $(seq 20); do mkdir -p s/d$d/sub; for f in $(seq 100); do echo "$d $f" > s/d$d/sub/f$f; done; done
  ln s/d3/sub/f1 s/d3/sub/zz; ln -s f1 s/d4/sub/link; chmod 4711 s/d5/sub/f7; chmod 555 s/d6/sub
  setfattr -n user.mark -v yes s/d7/sub/f9; truncate -s 1M s/d8/sub/holes; : > s/d9/sub/empty
  find s -depth -exec touch -hd @1500000000.25 {} +`;
const LISTING = `find . -mindepth 1 -printf '%p %y %m %U:%G %s %n %T@ %l\\n' | sort; getfattr -Rd . 2>/dev/null | grep mark
  find . -type f -print0 | sort -z | xargs -0 sha256sum`;
const asRoot = { owner: { user: { user: { case: 'byID' as const, value: 0 } } } };

test('a copy of many files is what copying them one after the other makes', async () => {
  const host = fixture.host(MANY);
  const made = await fixture.run([copy('/s', '/s', asRoot)], undefined, host);
  const expected = execFileSync('sh', ['-euc', LISTING], { cwd: host.root, encoding: 'utf8' });
  assert.equal(await fixture.shell(made, LISTING), expected);
});

test('two copies of many files share the threads that there are', async () => {
  const host = fixture.host(MANY);
  const trees = await Promise.all(
    ['/a', '/b', '/c'].map((to) => fixture.run([copy('/s', to, asRoot)], undefined, host)),
  );
  for (const tree of trees) assert.equal(await fixture.shell(tree, 'find . -type f | wc -l'), '2003\n');
});

test('a file that another thread cannot copy fails the copy, in the words of who asked for it', async () => {
  const host = fixture.host(`${MANY}; mkdir s/e; for f in $(seq -f %0250.0f 600); do echo x > s/e/$f; done`);
  // Its name fits into the client's directory, but the copy's path is longer than the kernel takes.
  const deep = `/${'d'.repeat(200)}`.repeat(19);
  await assert.rejects(fixture.run([copy('/s', deep, asRoot)], undefined, host), /file name too long/i);
});

test('what nobody takes is copied at the end, what failed elsewhere again', () => {
  const host = fixture.host('mkdir from to; for f in $(seq 1100); do echo $f > from/f$f; done');
  const offered: CopyBatch[] = [];
  const copies = new SharedCopies((batch) => offered.push(batch), { aborted: false });
  const metadata = { uid: 0, gid: 0, mode: 0o640, time: 1_500_000_000n * 1_000_000_000n };
  for (let i = 1; i <= 1100; i++) {
    const path = `${host.root}/from/f${i}`;
    const info = lstat(path);
    assert(info);
    copies.add({ source: { path, info, fromClient: true }, to: `${host.root}/to/f${i}`, metadata });
  }
  assert.equal(offered.length, 4);
  const [first, second] = offered;
  assert(first && second);
  copyBatch(first, { signal: { aborted: false } });
  copyBatch(second, { signal: { aborted: true } });
  assert.equal(waitForBatch(second), false);
  copies.settle();
  for (const batch of offered) assert.equal(withdrawBatch(batch), false);
  const differing = execFileSync('sh', ['-c', 'diff -r from to; find to -not -perm 640 -type f'], {
    cwd: host.root,
    encoding: 'utf8',
  });
  assert.equal(differing, '');
});

test('an abandoned copy copies nothing more', () => {
  const host = fixture.host('mkdir from to; for f in $(seq 300); do echo $f > from/f$f; done');
  const files = Array.from({ length: 300 }, (_, i) => {
    const path = `${host.root}/from/f${i + 1}`;
    const info = lstat(path);
    assert(info);
    const metadata = { uid: 0, gid: 0, mode: 0o600, time: 0n };
    return { source: { path, info, fromClient: true }, to: `${host.root}/to/f${i + 1}`, metadata };
  });
  let offered: CopyBatch | undefined;
  const copies = new SharedCopies((batch) => (offered = batch), { aborted: false });
  for (const file of files) copies.add(file);
  copies.abandon();
  assert(offered);
  copyBatch(offered, { signal: { aborted: false } });
  assert.equal(execFileSync('ls', [`${host.root}/to`], { encoding: 'utf8' }), '');
});
