/** An ordinary user of this machine, made for a test; needs root. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Account } from '../build/cairn.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
/** Far above what adduser gives to people. */
const FIRST_SUBORDINATE_ID = 2_000_000_000;
const SUBORDINATE_IDS = 65_536;

export interface TestAccount extends Account {
  name: string;
  remove(): void;
}

/** Why no user can be made here; false: one can. */
export function cannotMakeUsers(): string | false {
  if (process.geteuid?.() !== 0) return 'not root: no user can be made';
  for (const program of ['useradd', 'userdel', 'setpriv', 'newuidmap']) {
    if (spawnSync('which', [program]).status !== 0) return `${program} is not installed`;
  }
  return false;
}

/** @param subordinate whether the user has lines in /etc/subuid and /etc/subgid */
export function makeAccount({ subordinate }: { subordinate: boolean }): TestAccount {
  const name = `cairn-${process.pid}-${subordinate ? 'ids' : 'none'}`;
  execFileSync('useradd', ['--create-home', name], { stdio: 'ignore' });
  const [, , uid, gid, , home = ''] = execFileSync('getent', ['passwd', name], { encoding: 'utf8' }).split(
    ':',
  );
  const range = `${FIRST_SUBORDINATE_ID}-${FIRST_SUBORDINATE_ID + SUBORDINATE_IDS - 1}`;
  const given = readFileSync('/etc/subuid', 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`${name}:`));
  if (given !== undefined) {
    const [, first, count] = given.split(':');
    const had = `${first}-${Number(first) + Number(count) - 1}`;
    execFileSync('usermod', ['--del-subuids', had, '--del-subgids', had, name]);
  }
  if (subordinate) execFileSync('usermod', ['--add-subuids', range, '--add-subgids', range, name]);
  const as = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--'];
  return {
    name,
    uid: Number(uid),
    gid: Number(gid),
    home,
    command: [...as, ...programFor(as, home)],
    remove() {
      spawnSync('userdel', ['--remove', name]);
    },
  };
}

/** Node and the launcher; a copy of both where this checkout is hidden from other users. */
function programFor(as: string[], home: string): string[] {
  const launcher = join(PROJECT, 'bin/cairn.js');
  const [program = '', ...args] = as;
  const mayRun = spawnSync(program, [...args, process.execPath, launcher, '--version']).status === 0;
  if (mayRun) return [process.execPath, launcher];
  const copy = join(home, 'cairn');
  mkdirSync(join(copy, 'node_modules'), { recursive: true });
  for (const part of ['bin', 'dist', 'package.json', 'node_modules/koffi', 'node_modules/@koromix']) {
    if (existsSync(join(PROJECT, part))) cpSync(join(PROJECT, part), join(copy, part), { recursive: true });
  }
  const node = join(copy, 'node');
  cpSync(process.execPath, node);
  chmodSync(node, 0o755);
  return [node, join(copy, 'bin/cairn.js')];
}
