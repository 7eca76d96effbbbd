import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespaceCommand, type Surroundings } from './rootless.ts';

function around(
  files: Record<string, string | undefined> = {},
  over: Partial<Surroundings> = {},
): Surroundings {
  const all: Record<string, string | undefined> = {
    '/etc/subuid': 'ann:100000:65536\n',
    '/etc/subgid': '1000:100000:65536\n',
    ...files,
  };
  return {
    uid: 1000,
    userName: 'ann',
    read: (path) => all[path],
    find: (program) => `/usr/bin/${program}`,
    probe: () => assert.fail('no reason to doubt'),
    ...over,
  };
}

test('namespaceCommand needs nothing for root', () => {
  assert.equal(namespaceCommand(around({}, { uid: 0 })), undefined);
});

test('namespaceCommand maps subordinate ids of the user by name or number', () => {
  assert.deepEqual(namespaceCommand(around()), ['/usr/bin/unshare', '--map-root-user', '--map-auto', '--']);
});

test('namespaceCommand says what is missing', () => {
  const cases: [Surroundings, RegExp, RegExp][] = [
    [
      around({}, { find: (p) => (p === 'newgidmap' ? undefined : p) }),
      /newgidmap is not installed/,
      /uidmap/,
    ],
    [around({ '/etc/subuid': 'bob:1:65536\n' }), /subuid has no line for ann/, /--add-subuids/],
    [around({ '/etc/subgid': undefined }), /subgid has no line for ann/, /--add-subgids/],
    [around({ '/etc/subuid': 'ann:1:1000\n' }), /only 1000 ids/, /65535/],
    [
      around({ '/proc/sys/kernel/unprivileged_userns_clone': '0\n' }),
      /kernel/,
      /unprivileged_userns_clone=1/,
    ],
    [around({ '/proc/sys/user/max_user_namespaces': '0\n' }), /no user namespaces/, /max_user_namespaces/],
    [around({ '/proc/self/status': 'Name:\tnode\nNoNewPrivs:\t1\n' }), /no_new_privs/, /no-new-privileges/],
    [
      around({ '/.dockerenv': '' }, { probe: () => 'unshare failed: Operation not permitted' }),
      /does not allow.*\(unshare failed: Operation not permitted\)/,
      /seccomp=unconfined/,
    ],
    [
      around(
        { '/proc/self/status': 'Seccomp:\t2\nSeccomp_filters:\t1\n' },
        { probe: () => 'unshare failed' },
      ),
      /does not allow/,
      /seccomp=unconfined/,
    ],
  ];
  for (const [surroundings, message, hint] of cases) {
    assert.throws(
      () => namespaceCommand(surroundings),
      (error: Error & { code?: string; hint?: string }) =>
        error.code === 'DENIED' && message.test(error.message) && hint.test(error.hint ?? ''),
      String(message),
    );
  }
});
