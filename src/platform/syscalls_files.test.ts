import assert from 'node:assert/strict';
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as sys from './syscalls_files.ts';

const dir = mkdtempSync(join(tmpdir(), 'cairn-sys-'));
after(() => rmSync(dir, { recursive: true, force: true }));

test('xattr calls keep binary values and names of files that are not UTF-8', () => {
  const path = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff, 0xfe])]);
  writeFileSync(path, '');
  const value = Buffer.from([0, 1, 255, 0]);
  sys.lsetxattr(path, 'user.cairn', value);
  assert.deepEqual(sys.lgetxattr(path, 'user.cairn'), value);
  assert.deepEqual(sys.llistxattr(path), ['user.cairn']);
  sys.lremovexattr(path, 'user.cairn');
  assert.equal(sys.lgetxattr(path, 'user.cairn'), undefined);
  assert.deepEqual(sys.llistxattr(path), []);
  assert(readdirSync(dir, { encoding: 'latin1' }).includes('\u00ff\u00fe'));
});

test('mknod makes a fifo', () => {
  const path = join(dir, 'fifo');
  sys.mknod(path, sys.S_IFIFO | 0o640);
  assert.equal(lstatSync(path).isFIFO(), true);
});

test('lutimesNs sets the times of a symlink to the nanosecond, before 1970 too', () => {
  const path = join(dir, 'link');
  symlinkSync('nowhere', path);
  for (const ns of [1_700_000_000_123_456_789n, -1n, -5_000_000_000n]) {
    sys.lutimesNs(path, ns, ns);
    assert.equal(lstatSync(path, { bigint: true }).mtimeNs, ns);
  }
});

test('seekData and seekHole find the data of a sparse file', () => {
  const fd = openSync(join(dir, 'sparse'), 'w+');
  writeSync(fd, 'x'.repeat(4096), 1 << 20);
  ftruncateSync(fd, 4 << 20);
  const start = sys.seekData(fd, 0);
  assert.equal(start, 1 << 20);
  assert.equal(sys.seekHole(fd, start ?? 0), (1 << 20) + 4096);
  assert.equal(sys.seekData(fd, 2 << 20), undefined);
  closeSync(fd);
});

test('deviceNumbers takes apart small and large device numbers', () => {
  assert.deepEqual(sys.deviceNumbers(0n), { major: 0, minor: 0 });
  assert.deepEqual(sys.deviceNumbers(0x0103n), { major: 1, minor: 3 });
  // makedev(0x12345, 0xabcde) of glibc
  assert.deepEqual(sys.deviceNumbers(0x12000_abc345den), { major: 0x12345, minor: 0xabcde });
});

test('errors have the shape of fs errors', () => {
  assert.throws(() => sys.lchown(join(dir, 'missing'), 0, 0), { code: 'ENOENT', syscall: 'lchown' });
});

test('tryLock refuses an exclusive lock that another descriptor holds', () => {
  const path = join(dir, 'lock');
  const [a, b] = [openSync(path, 'w'), openSync(path, 'w')];
  assert.equal(sys.tryLock(a, 'exclusive'), true);
  assert.equal(sys.tryLock(b, 'exclusive'), false);
  closeSync(a);
  assert.equal(sys.tryLock(b, 'exclusive'), true);
  closeSync(b);
});
