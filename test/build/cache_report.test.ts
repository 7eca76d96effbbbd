/** `--cache-report`: what became of each step, also where the build failed. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StepReport } from '../../src/engine/contract.ts';
import { cairnAndRegistry } from './cairn_and_registry.ts';

const { cairn } = await cairnAndRegistry();

test('a build that fails tells what it found, what it ran and what failed', async () => {
  const report = join(cairn.directory, 'report.json');
  writeFileSync(report, 'of an earlier build');
  const steps = (last: string) => ({ Dockerfile: `FROM busybox\nRUN echo first\nRUN ${last}\n` });
  const good = await cairn.run(['build', cairn.project(steps('echo second'))]);
  assert.equal(good.code, 0, good.stderr);

  const project = cairn.project(steps('exit 3'));
  const { code, stderr } = await cairn.run(['build', '--cache-report', report, project]);
  assert.equal(code, 1);
  assert.match(stderr, /exit code: 3/);
  const { steps: told } = JSON.parse(readFileSync(report, 'utf8')) as { steps: StepReport[] };
  const status = (name: string) => told.find((step) => step.name.includes(name))?.status;
  assert.equal(status('RUN echo first'), 'hit');
  assert.equal(status('RUN exit 3'), 'error');

  const { stdout } = await cairn.run(['build', '--cache-report', '-', project]);
  assert.match(stdout, /^hit +local .*RUN echo first/m);
  assert.match(stdout, /^error .*RUN exit 3/m);
});

test('passwords and signatures in URLs are in no report and no progress', async () => {
  const report = join(cairn.directory, 'secrets.json');
  const project = cairn.project({
    Dockerfile: 'FROM scratch\nADD http://user:hidden-1@127.0.0.1:1/file?sig=hidden-2 /\n',
  });
  for (const args of [
    [project],
    ['http://user:hidden-3@127.0.0.1:1/x.git#main'],
    ['--progress=rawjson', project],
  ]) {
    const { code, stdout, stderr } = await cairn.run(['build', '--cache-report', report, ...args]);
    assert.equal(code, 1);
    assert.match(stderr, /127\.0\.0\.1:1/);
    assert.doesNotMatch(`${stdout}${stderr}${readFileSync(report, 'utf8')}`, /hidden/);
  }
});
