/** What an output leaves where it goes: images in other programs' stores, files beside the user's. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, lstatSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cairnAndRegistry } from './cairn_and_registry.ts';

const { cairn } = await cairnAndRegistry();

describe('--load', () => {
  const DOCKERFILE = 'FROM busybox\nRUN echo made in a step > /made\nCMD ["cat", "/made"]\n';

  test('hands the image to podman, which runs it', async (t) => {
    if (spawnSync('podman', ['--runtime=runc', 'info']).status !== 0) {
      t.skip('podman or runc does not work here');
      return;
    }
    const image = 'localhost/cairn-test-load:1';
    const args = ['build', '--load', '--progress=plain', '-t', image];
    // Where docker has a daemon it would be asked first.
    const env = { PATH: (process.env['PATH'] ?? '').split(':').filter(isPodmanOnly).join(':') };
    const { code, stderr } = await cairn.run([...args, cairn.project({ Dockerfile: DOCKERFILE })], { env });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^#\d+ importing to podman$/m);
    try {
      // Podman would set higher ones than this machine may allow.
      const limits = ['--ulimit=nofile=1024:1024', '--ulimit=nproc=1024:1024'];
      const run = ['--runtime=runc', 'run', '--rm', '--network=none', ...limits, image];
      assert.equal(execFileSync('podman', run, { encoding: 'utf8' }), 'made in a step\n');
    } finally {
      execFileSync('podman', ['rmi', image], { stdio: 'ignore' });
    }
  });

  test('tells what a program says that fails', async () => {
    const programs = cairn.project({
      docker: '#!/bin/sh\necho "Cannot connect to the Docker daemon" >&2\nexit 1\n',
    });
    chmodSync(join(programs, 'docker'), 0o755);
    const env = { PATH: `${programs}:${process.env['PATH']}`, DOCKER_HOST: 'unix:///nowhere' };
    const project = cairn.project({ Dockerfile: DOCKERFILE });
    const { code, stderr } = await cairn.run(['build', '--load', '--progress=plain', project], { env });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^#\d+ importing to docker\n(.*\n)*#\d+ ERROR: docker load failed with exit code 1/m,
    );
    assert.match(
      stderr,
      /^ERROR: failed to build: failed to solve: docker load failed with exit code 1: Cannot connect to the Docker daemon$/m,
    );
  });
});

function isPodmanOnly(directory: string): boolean {
  const has = (name: string) => statSync(join(directory, name), { throwIfNoEntry: false }) !== undefined;
  return !has('docker') || has('podman');
}

test('a build removes what a killed one left beside its destination', async () => {
  const project = cairn.project({ Dockerfile: 'FROM scratch\nCOPY data /\n' });
  writeFileSync(join(project, 'data'), randomBytes(32 * 1024 * 1024));
  const out = join(cairn.project({ mine: '', '.mine.tmp': '' }), 'new');
  const left = () => readdirSync(out, { recursive: true }).filter((name) => String(name).endsWith('.tmp'));
  const args = ['build', '-o', `type=oci,dest=${out}/image.tar`, project];
  assert.equal((await cairn.run(args)).code, 0, 'the directory is made');
  const child = cairn.start(args);
  const ended = once(child, 'close');
  child.stdin?.end();
  while (left().length === 0) {
    assert.equal(child.exitCode, null, 'ended before it could be killed');
    await sleep(1);
  }
  child.kill('SIGKILL');
  await ended;
  assert.equal(left().length, 1);
  writeFileSync(join(out, '.mine.tmp'), '');
  assert.equal((await cairn.run(args)).code, 0);
  assert.deepEqual(left(), ['.mine.tmp']);
});

test('a file of a local output has its name when it is whole', async () => {
  const bytes = 64 * 1024 * 1024;
  const project = cairn.project({ Dockerfile: 'FROM scratch\nCOPY data /\n' });
  writeFileSync(join(project, 'data'), randomBytes(bytes));
  const out = join(cairn.directory, 'whole');
  const child = cairn.start(['build', '-o', out, project]);
  const ended = once(child, 'close');
  child.stdin?.end();
  const size = () => statSync(join(out, 'data'), { throwIfNoEntry: false })?.size;
  while (size() === undefined) {
    assert.equal(child.exitCode, null, 'nothing was written');
    await sleep(1);
  }
  assert.equal(size(), bytes);
  await ended;
});

test('what a link leads to is written, and a device stays one', async () => {
  const project = cairn.project({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n', file: '', iid: '' });
  for (const [link, target] of [
    ['file', 'real.tar'],
    ['device', '/dev/null'],
    ['iid-device', '/dev/null'],
  ] as const) {
    symlinkSync(target, join(cairn.directory, link));
  }
  writeFileSync(join(cairn.directory, 'real.tar'), 'old');
  const outputs = ['file', 'device'].flatMap((name) => ['-o', `type=tar,dest=${cairn.directory}/${name}`]);
  const ids = ['--iidfile', join(cairn.directory, 'iid-device')];
  assert.equal((await cairn.run(['build', ...outputs, project])).code, 0);
  const image = ['-o', `type=oci,dest=${cairn.directory}/device`];
  const { code, stderr } = await cairn.run(['build', ...image, ...ids, project]);
  assert.equal(code, 0, stderr);
  for (const link of ['file', 'device', 'iid-device'])
    assert.ok(lstatSync(join(cairn.directory, link)).isSymbolicLink(), link);
  const names = execFileSync('tar', ['-tf', join(cairn.directory, 'real.tar')], { encoding: 'utf8' });
  assert.equal(names, 'Dockerfile\n');
});

describe('standard streams', () => {
  const shell = (redirected: string) => {
    const launcher = join(import.meta.dirname, '../../bin/cairn.js');
    // More than fits into a pipe.
    const large = 'x'.repeat(1_000_000);
    const project = cairn.project({ Dockerfile: 'FROM scratch\nCOPY . /\n', large });
    const command = `"${process.execPath}" "${launcher}" build --progress=plain ${redirected}`;
    const env = { ...process.env, CAIRN_ROOT: cairn.store, PROJECT: project };
    return spawnSync('bash', ['-c', `set -o pipefail; ${command}`], { env, encoding: 'utf8' });
  };

  test('an output that cannot be written fails the build in one line', () => {
    const { status, stderr } = shell('-o - "$PROJECT" > /dev/full');
    assert.equal(status, 1);
    assert.match(stderr, /^ERROR: .*ENOSPC: no space left on device/m);
    assert.doesNotMatch(stderr, /^\s+at |Node\.js v/m);
  });

  test('an output that nobody reads to its end is no success', () => {
    const { status, stderr } = shell('-o - "$PROJECT" | head -c 10');
    assert.equal(status, 141, stderr);
  });

  test('progress that cannot be written does not matter to the build', () => {
    const tar = shell('-o - "$PROJECT" 2> /dev/full');
    assert.equal(tar.status, 0);
    assert.match(tar.stdout, /COPY \. \//);
  });
});
