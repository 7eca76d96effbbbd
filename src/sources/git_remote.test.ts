import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gitKey, gitOptions, isCommit } from './git_remote.ts';

const COMMIT = 'e4eb40e2c19d6f2972d3a6fc6472dd5a75e6ca8f';

test('gitOptions takes remote, reference and directory apart', () => {
  const cases: [string, Record<string, string>, string, string, string][] = [
    ['github.com/a/b.git#v1:sub/dir', {}, 'https://github.com/a/b.git', 'v1', 'sub/dir'],
    ['github.com/a/b.git', {}, 'https://github.com/a/b.git', '', ''],
    ['github.com/a/b.git#:sub', {}, 'https://github.com/a/b.git', '', 'sub'],
    [
      '127.0.0.1:9418/app.git#m',
      { 'git.fullurl': 'git://127.0.0.1:9418/app.git' },
      'git://127.0.0.1:9418/app.git',
      'm',
      '',
    ],
    ['github.com/a/b', { 'git.fullurl': 'git@github.com:a/b.git' }, 'git@github.com:a/b.git', '', ''],
    ['git@github.com:a/b.git#x', {}, 'git@github.com:a/b.git', 'x', ''],
    ['ssh://git@github.com/a/b.git#x:/y/../z/', {}, 'ssh://git@github.com/a/b.git', 'x', 'z'],
    ['https://h/a.git?x=1#main:..', {}, 'https://h/a.git', 'main', ''],
  ];
  for (const [rest, attrs, remote, ref, subdir] of cases) {
    const options = gitOptions(rest, attrs);
    assert.deepEqual([options.remote, options.ref, options.subdir], [remote, ref, subdir], rest);
  }
});

test('gitOptions refuses what would be an option of git, and checksums that are none', () => {
  assert.throws(() => gitOptions('h/a.git#--upload-pack=x', {}), /invalid git ref "--upload-pack=x"/);
  assert.throws(() => gitOptions('h/a.git', { 'git.checksum': 'xyz' }), /expected hex commit hash/);
  assert.throws(() => gitOptions('h/a.git', { 'git.checkoutbundle': 'true' }), { code: 'UNSUPPORTED' });
});

test('gitKey has each part that makes the files differ', () => {
  const base = gitOptions('h/a.git', {});
  assert.equal(gitKey(base, COMMIT, 'refs/heads/main'), COMMIT);
  assert.equal(
    gitKey(
      { ...base, keepGitDir: true, subdir: 's', skipSubmodules: true, mtime: 'commit' },
      COMMIT,
      'refs/tags/v1',
    ),
    `${COMMIT}.git#refs/tags/v1:s(skip-submodules)(mtime=commit)`,
  );
  assert.equal(gitKey({ ...base, mtime: 'checkout' }, COMMIT, ''), COMMIT);
  assert.equal(isCommit(COMMIT), true);
  assert.equal(isCommit(COMMIT.slice(1)), false);
});
