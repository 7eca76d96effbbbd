import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { spawnProcess } from './spawn.ts';

async function run(script: string, env: Record<string, string> = {}) {
  const child = spawnProcess('/bin/sh', ['-c', script], env);
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { out, err, code: await child.exitCode() };
}

test('spawnProcess hands on arguments and environment, and separates output', async () => {
  assert.deepEqual(await run('echo "$A"; echo err >&2; exit 7', { A: 'x y' }), {
    out: 'x y\n',
    err: 'err\n',
    code: 7,
  });
});

test('spawnProcess gives pipes that can be opened again, and stdin at its end', async () => {
  const { out } = await run(
    'cat; for fd in 0 1 2; do [ -p /dev/fd/$fd ] && echo $fd; done; echo x > /dev/stdout',
  );
  assert.equal(out, '0\n1\n2\nx\n');
});

test('spawnProcess leaves no descriptor of ours and no ignored signal to the child', async () => {
  const { out } = await run('ls /proc/self/fd; grep SigIgn /proc/self/status');
  // What whoever started the tests left open comes through either way.
  const inherited = execFileSync('ls', ['/proc/self/fd'], { encoding: 'utf8' });
  assert.equal(out, `${inherited}SigIgn:\t0000000000000000\n`);
});

test('exitCode adds 128 to the signal that ended the process', async () => {
  assert.equal((await run('kill -TERM $$')).code, 128 + 15);
});

test('spawnProcess throws when the program is not there', () => {
  assert.throws(() => spawnProcess('/nonexistent', [], {}), { code: 'ENOENT' });
});
