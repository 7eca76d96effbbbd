import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { homeOf, lookupUser } from './user.ts';

const root = mkdtempSync(join(tmpdir(), 'cairn-user-test-'));
after(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, 'etc'));
mkdirSync(join(root, 'real'));
writeFileSync(
  join(root, 'real/passwd'),
  'root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1001::/home/bob:/bin/sh\n',
);
// An absolute link stays inside the root.
symlinkSync('/real/passwd', join(root, 'etc/passwd'));
writeFileSync(join(root, 'etc/group'), 'root:x:0:\nbob:x:1001:\nwheel:x:10:root,bob\nmany:x:20:bobby,bob\n');

test('lookupUser finds users and groups by name and number', () => {
  const cases: [string, number, number, number[]][] = [
    ['', 0, 0, [10]],
    ['root', 0, 0, [10]],
    ['bob', 1000, 1001, [10, 20]],
    ['1000', 1000, 1001, [10, 20]],
    ['bob:wheel', 1000, 10, []],
    ['bob:77', 1000, 77, []],
    ['5', 5, 0, []],
    ['5:6', 5, 6, []],
    ['root:6', 0, 6, []],
    [':wheel', 0, 10, []],
  ];
  for (const [spec, uid, gid, additionalGids] of cases) {
    assert.deepEqual(lookupUser(root, spec), { uid, gid, additionalGids }, spec);
  }
});

test('lookupUser throws NOT_FOUND when a name is unknown', () => {
  assert.throws(() => lookupUser(root, 'eve'), {
    code: 'NOT_FOUND',
    message: 'unable to find user eve: no matching entries in passwd file',
  });
  assert.throws(() => lookupUser(root, 'bob:eves'), {
    code: 'NOT_FOUND',
    message: 'unable to find group eves: no matching entries in group file',
  });
});

test('lookupUser takes numbers above 2³¹-1 in pairs only, and none above 2³²-1', () => {
  assert.deepEqual(lookupUser(root, '4294967295:3000000000'), {
    uid: 4294967295,
    gid: 3000000000,
    additionalGids: [],
  });
  const message = 'uids and gids must be in range 0-2147483647';
  for (const spec of ['2147483648', '-5', '99999999999:1', '1:4294967296', 'bob:2147483648']) {
    assert.throws(() => lookupUser(root, spec), { code: 'NOT_FOUND', message }, spec);
  }
});

test('lookupUser takes root and numbers when there is no passwd file', () => {
  const empty = join(root, 'real');
  assert.deepEqual(lookupUser(empty, ''), { uid: 0, gid: 0, additionalGids: [] });
  assert.deepEqual(lookupUser(empty, '7'), { uid: 7, gid: 0, additionalGids: [] });
});

test('lookupUser takes comments in passwd for users of number 0, in group for comments', () => {
  const commented = join(root, 'commented');
  mkdirSync(join(commented, 'etc'), { recursive: true });
  writeFileSync(join(commented, 'etc/passwd'), '# accounts\nroot:x:0:0::/root:/bin/sh\n');
  writeFileSync(join(commented, 'etc/group'), '#g:x:5:root\nwheel:x:10:root\n');
  assert.deepEqual(lookupUser(commented, ''), { uid: 0, gid: 0, additionalGids: [] });
  assert.deepEqual(lookupUser(commented, 'root'), { uid: 0, gid: 0, additionalGids: [10] });
});

test('homeOf is the home directory of passwd, or the root', () => {
  assert.equal(homeOf(root, 1000), '/home/bob');
  assert.equal(homeOf(root, 4), '/');
});
