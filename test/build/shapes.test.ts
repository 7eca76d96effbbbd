/**
 * Differently shaped projects from Dockerfile to registry: pushed, read back by skopeo, rebuilt unchanged and
 * with one file edited.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { stepsHit, stepsRun } from './cairn.ts';
import { cairnAndRegistry } from './cairn_and_registry.ts';
import { SHAPES, writeShape } from './shapes.ts';

const { cairn, registry } = await cairnAndRegistry();

/** The image's files, unpacked by GNU tar from what skopeo read. */
function unpack(image: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-unpack-'));
  execFileSync('skopeo', [
    'copy',
    '--quiet',
    '--src-tls-verify=false',
    `docker://${image}`,
    `dir:${directory}/image`,
  ]);
  const manifest = JSON.parse(readFileSync(join(directory, 'image/manifest.json'), 'utf8')) as {
    layers: { digest: string }[];
  };
  mkdirSync(join(directory, 'root'));
  for (const { digest } of manifest.layers) {
    execFileSync('tar', [
      '-xf',
      join(directory, 'image', digest.replace('sha256:', '')),
      '-C',
      join(directory, 'root'),
    ]);
  }
  return directory;
}

for (const shape of SHAPES) {
  test(`builds, pushes and rebuilds: ${shape.name}`, async () => {
    const directory = join(cairn.directory, shape.name.replaceAll(/\W+/g, '-'));
    writeShape(shape, directory);
    const image = `${registry.host}/shapes/${shape.name.replaceAll(/\W+/g, '-').replaceAll(/^-|-$/g, '')}:1`;
    const args = [
      '--push',
      '-t',
      image,
      ...(shape.flags ?? []).map((flag) => flag.replace('DIR', directory)),
      directory,
    ];

    const first = await cairn.build(args);
    assert.ok(stepsRun(first).length > 0);
    const files = unpack(image);
    for (const [path, content] of Object.entries(shape.expect)) {
      assert.ok(
        readFileSync(join(files, 'root', path), 'utf8').includes(content),
        `${path} lacks ${content}`,
      );
    }
    rmSync(files, { recursive: true, force: true });

    const second = await cairn.build(args);
    assert.deepEqual(stepsRun(second), []);
    assert.ok(stepsHit(second).length > 0);

    writeFileSync(join(directory, shape.edit.file), shape.edit.content);
    const ran = stepsRun(await cairn.build(args));
    for (const part of shape.edit.runs) {
      assert.ok(
        ran.some((name) => name.includes(part)),
        `${part} did not run: ${ran.join('; ')}`,
      );
    }
    if (shape.edit.runs.length > 0) assert.equal(ran.length, shape.edit.runs.length, ran.join('; '));
  });
}

test('a secret is neither in the image nor in the store nor in what was printed', async () => {
  const directory = join(cairn.directory, 'cache-and-secret-mounts');
  const found = execFileSync('sh', ['-c', `grep -rl very-secret-value ${cairn.store} || true`], {
    encoding: 'utf8',
  });
  assert.equal(found, '');
  const { stdout, stderr } = await cairn.run([
    'build',
    '--progress=plain',
    '--no-cache',
    '--secret',
    `id=token,src=${directory}/token.txt`,
    directory,
  ]);
  assert.ok(!`${stdout}${stderr}`.includes('very-secret-value'));
});

const mayRunRunc = process.geteuid?.() === 0 && spawnSync('runc', ['--version']).status === 0;
test('runc runs a built image', { skip: mayRunRunc ? false : 'needs runc and root' }, async () => {
  const bundle = join(cairn.directory, 'bundle');
  mkdirSync(join(bundle, 'rootfs'), { recursive: true });
  await cairn.build(['--output', `type=local,dest=${bundle}/rootfs`, join(cairn.directory, 'static-binary')]);
  execFileSync('runc', ['spec'], { cwd: bundle });
  const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as {
    process: { args: string[]; terminal: boolean };
  };
  spec.process = { ...spec.process, args: ['/sh', '/app'], terminal: false };
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
  const output = execFileSync('runc', ['run', `cairn-test-${process.pid}`], {
    cwd: bundle,
    encoding: 'utf8',
  });
  assert.equal(output, 'bye\n');
});
