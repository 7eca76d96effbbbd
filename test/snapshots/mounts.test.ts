/** Overlay mounts, by both of the kernel's interfaces. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createJobPool } from '../../src/platform/job_pool.ts';
import type { MountSpec } from '../../src/snapshots/contract.ts';

const base = mkdtempSync(join(tmpdir(), 'cairn-mounts-'));
const jobs = createJobPool(new URL('./worker.ts', import.meta.url), { cpuThreads: 1 });
after(async () => {
  await jobs.close();
  rmSync(base, { recursive: true, force: true });
});
let count = 0;

/** Lower directories with names that options have to quote, and paths longer than a page together. */
function overlay(layers: number, writable: boolean): Extract<MountSpec, { kind: 'overlay' }> {
  const root = join(base, `o${count++}:a,b\\c`);
  const lowers = Array.from({ length: layers }, (_, i) => {
    const path = join(root, `l${i}`, 'x'.repeat(100));
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, `f${i}`), String(i));
    writeFileSync(join(path, 'top'), String(i));
    return path;
  });
  const spec = { kind: 'overlay' as const, lowers, userxattr: false };
  if (!writable) return spec;
  const upper = join(root, 'upper');
  mkdirSync(upper);
  return { ...spec, upper, work: join(root, 'work') };
}

for (const job of ['test.shell', 'test.oldMount']) {
  test(`${job}: 200 layers with long and awkward names are one file system`, async () => {
    const spec = overlay(200, true);
    const out = await jobs.run<object, string>(job, {
      mount: spec,
      script: 'ls | wc -l; cat top; rm f7; echo new > f8',
    });
    assert.equal(out, '201\n0');
    assert.deepEqual(readdirSync(spec.upper ?? '').sort(), ['f7', 'f8']);
  });

  test(`${job}: without an upper directory nothing can be written`, async () => {
    await assert.rejects(
      jobs.run(job, { mount: overlay(2, false), script: 'echo x > f0' }),
      /Read-only file system/,
    );
  });
}

test('a mount is seen by no other thread and gone afterwards', async () => {
  const spec = overlay(2, true);
  await jobs.run('test.shell', { mount: spec, script: 'true' });
  const mounts = await jobs.run<object, string>('test.shell', {
    mount: { kind: 'dir', path: base },
    script: 'grep -c cairn-mount /proc/self/mounts || true',
  });
  assert.equal(mounts.trim(), '0');
});

test('more layers than the kernel stacks are refused by name', async () => {
  const mount = {
    kind: 'overlay',
    lowers: Array.from({ length: 501 }, (_, i) => `/l${i}`),
    userxattr: false,
  };
  await assert.rejects(jobs.run('test.shell', { mount, script: '' }), {
    code: 'UNSUPPORTED',
    message: /501 layers/,
  });
});
