/**
 * Builds as an ordinary user: the whole process runs again inside a user namespace in which the user is root and
 * has the subordinate ids of /etc/subuid and /etc/subgid.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { CairnError } from '../errors/error.ts';

/** Set inside the namespace: the user's id outside. */
const MARK = 'CAIRN_ROOTLESS_UID';
/** What ordinary images use; fewer subordinate ids let some layers fail to unpack. */
const ENOUGH_IDS = 65_536;

/** What is looked at; tests hand in other answers. */
export interface Surroundings {
  uid: number;
  userName: string;
  /** A file's text; undefined: it is not there. */
  read: (path: string) => string | undefined;
  /** Absolute path of a program; undefined: not installed. */
  find: (program: string) => string | undefined;
  /** Tries to make a user namespace, only where there is reason to doubt; what was said when that failed. */
  probe: (command: readonly string[]) => string | undefined;
}

/**
 * Runs this program again in a user namespace when it is not root's; does not return then. Does nothing for root
 * and inside the namespace. To be called before anything is opened: the process is replaced (execve(2)).
 * @throws CairnError DENIED that says what is missing
 */
export function enterUserNamespace(): void {
  const command = namespaceCommand(here());
  if (command === undefined) return;
  const [program, ...args] = command;
  if (program === undefined || process.execve === undefined) return;
  process.execve(
    program,
    [program, ...args, process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    {
      ...process.env,
      [MARK]: String(process.geteuid?.()),
    },
  );
}

/** The id of the user who called, also inside the namespace. */
export function callingUser(env: Readonly<Record<string, string | undefined>> = process.env): number {
  const uid = process.getuid?.() ?? 0;
  const outside = env[MARK] ?? '';
  return uid === 0 && /^\d+$/.test(outside) ? Number(outside) : uid;
}

/** The command that makes the namespace, without what it is to run; undefined: none is needed. */
export function namespaceCommand(around: Surroundings): string[] | undefined {
  if (around.uid === 0) return undefined;
  for (const program of ['newuidmap', 'newgidmap']) {
    if (around.find(program) === undefined) {
      throw denied(
        `${program} is not installed`,
        'Install the package uidmap (shadow-utils, shadow-uidmap).',
      );
    }
  }
  for (const file of ['/etc/subuid', '/etc/subgid'] as const) checkSubordinateIds(file, around);
  checkKernel(around);
  const unshare = around.find('unshare');
  if (unshare === undefined) throw denied('unshare is not installed', 'Install the package util-linux.');
  const command = [unshare, '--map-root-user', '--map-auto', '--'];
  const refused = isDoubtful(around) ? around.probe(command) : undefined;
  if (refused !== undefined) {
    throw denied(
      `the system does not allow user namespaces here (${refused})`,
      'Inside a container, start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined; under AppArmor, set kernel.apparmor_restrict_unprivileged_userns=0.',
    );
  }
  return command;
}

function checkSubordinateIds(
  file: '/etc/subuid' | '/etc/subgid',
  { read, userName, uid }: Surroundings,
): void {
  const count = (read(file) ?? '')
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([owner]) => owner === userName || owner === String(uid))
    .reduce((sum, [, , ids]) => sum + (Number(ids) || 0), 0);
  if (count >= ENOUGH_IDS) return;
  const option = file === '/etc/subuid' ? '--add-subuids' : '--add-subgids';
  throw denied(
    count === 0
      ? `${file} has no line for ${userName}`
      : `${file} gives ${userName} only ${count} ids, images need ${ENOUGH_IDS}`,
    `As root: usermod ${option} 100000-165535 ${userName} (a range that nobody else has).`,
  );
}

function checkKernel({ read }: Surroundings): void {
  if (statusOf(read, 'NoNewPrivs') === '1') {
    throw denied(
      'this process may not gain privileges (no_new_privs), which newuidmap needs',
      'Inside a container, start it without --security-opt no-new-privileges; in a systemd unit, leave NoNewPrivileges out.',
    );
  }
  if (read('/proc/sys/kernel/unprivileged_userns_clone')?.trim() === '0') {
    throw denied(
      'the kernel does not let ordinary users make user namespaces',
      'As root: sysctl kernel.unprivileged_userns_clone=1.',
    );
  }
  if (read('/proc/sys/user/max_user_namespaces')?.trim() === '0') {
    throw denied(
      'the kernel is set to allow no user namespaces',
      'As root: sysctl user.max_user_namespaces=15000.',
    );
  }
}

/** Seccomp filters of containers and AppArmor's restriction show only when one tries; trying costs 20 ms. */
function isDoubtful({ read }: Surroundings): boolean {
  return (
    read('/proc/sys/kernel/apparmor_restrict_unprivileged_userns')?.trim() === '1' ||
    (statusOf(read, 'Seccomp') ?? '0') !== '0' ||
    read('/.dockerenv') !== undefined ||
    read('/run/.containerenv') !== undefined
  );
}

/** A field of proc_pid_status(5) of this process. */
function statusOf(read: Surroundings['read'], field: string): string | undefined {
  const lines = (read('/proc/self/status') ?? '').split('\n');
  return lines
    .find((line) => line.startsWith(`${field}:`))
    ?.slice(field.length + 1)
    .trim();
}

function here(): Surroundings {
  const uid = process.geteuid?.() ?? 0;
  return {
    uid,
    userName: uid === 0 ? 'root' : userName(uid),
    read(path) {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return existsSync(path) ? '' : undefined;
      }
    },
    find: (program) =>
      [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/sbin', '/bin']
        .map((directory) => join(directory, program))
        .find((path) => isExecutable(path)),
    probe(command) {
      const [unshare = ''] = command;
      // Without ids first: where it fails with them, unshare leaves a child behind that waits for ever.
      return failureOf([unshare, '--user', '--mount', '--', 'true']) ?? failureOf([...command, 'true']);
    },
  };
}

/** What a program said last before it failed; undefined: it did not. */
function failureOf([program = '', ...args]: readonly string[]): string | undefined {
  try {
    process.getBuiltinModule('node:child_process').execFileSync(program, args, { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: Buffer };
    const said = stderr?.toString().trim() ?? '';
    return said === '' ? message : said.split('\n').at(-1);
  }
}

function userName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(uid);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function denied(message: string, hint: string): CairnError {
  return new CairnError(`cannot build as an ordinary user: ${message}`, { code: 'DENIED', hint });
}
