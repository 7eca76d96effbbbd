/** Steps of an ordinary user. Needs root, to make one with subordinate ids. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findRuntime } from '../../src/executor/runtime.ts';

const user = `cairn-t${process.pid}`;

function reasonToSkip(): string | false {
  if (process.geteuid?.() !== 0) return 'needs root';
  for (const program of ['useradd', 'userdel', 'setpriv', 'newuidmap']) {
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `no ${program} here`;
  }
  const readable = spawnSync('setpriv', ['--reuid=65534', '--clear-groups', 'ls', import.meta.dirname]);
  return readable.status === 0 ? false : 'other users cannot read this directory';
}

const skip = reasonToSkip();

describe('steps of an ordinary user', { skip }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'cairn-rootless-test-'));
  const home = join(scratch, 'home');
  before(() => execFileSync('useradd', ['--create-home', '--home-dir', home, user]));
  after(() => {
    spawnSync('userdel', [user], { stdio: 'ignore' });
    rmSync(scratch, { recursive: true, force: true });
  });

  /** Runs the child as the user. */
  function run(runtime: string, script: string) {
    const directory = join(home, runtime);
    execFileSync('chmod', ['755', scratch]);
    return spawnSync(
      'setpriv',
      [
        `--reuid=${user}`,
        `--regid=${user}`,
        '--init-groups',
        process.execPath,
        join(import.meta.dirname, 'rootless_child.ts'),
        directory,
        runtime,
        script,
      ],
      { encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: home }, cwd: '/' },
    );
  }

  for (const name of ['runc', 'crun', 'unshare'] as const) {
    let missing: string | false = false;
    try {
      findRuntime({ ...process.env, CAIRN_RUNTIME: name });
    } catch {
      missing = `no ${name} here`;
    }
    test(`run with ${name} as root of their namespace`, { skip: missing }, () => {
      const { stdout, stderr, status } = run(
        name,
        'id -u; cat /s; touch /ro/x 2>/dev/null || echo ro; echo x > /f; chown 7:8 /f; stat -c "%u %g" /f; ip -o link | wc -l; echo x > /dev/null && echo null',
      );
      const uid = execFileSync('id', ['-u', user], { encoding: 'utf8' }).trim();
      assert.equal(stdout, `0 ${uid}\n0\nsecret\nro\n7 8\n1\nnull\n`, stderr);
      assert.equal(status, 0);
    });
  }

  test('are refused with a reason when the user has no subordinate ids', () => {
    const subuid = readFileSync('/etc/subuid', 'utf8');
    const line = subuid.split('\n').find((entry) => entry.startsWith(`${user}:`)) ?? '';
    const [, first = '0', count = '0'] = line.split(':');
    const last = Number(first) + Number(count) - 1;
    execFileSync('usermod', ['--del-subuids', `${first}-${last}`, user]);
    const { stderr, status } = run('unshare', 'true');
    assert.notEqual(status, 0);
    assert.match(stderr, new RegExp(`/etc/subuid has no line for ${user}`));
  });
});
