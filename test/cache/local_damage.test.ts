/** A local cache whose files were damaged without a change of size: imports notice, exports mend. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { digestOf } from '../../src/content/digest.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { buildImage } from './build.ts';

describe('a damaged local cache', () => {
  let registry: RegistryServer;
  let directory: string;
  let places = 0;

  before(async () => {
    registry = await startBaseImageRegistry();
    directory = mkdtempSync(join(tmpdir(), 'cairn-damage-'));
  });
  after(async () => {
    await registry.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const entry = (): { path: string; to: string; from: string } => {
    const path = join(directory, String(places++));
    return { path, to: `type=local,dest=${path},mode=max`, from: `type=local,src=${path}` };
  };
  const blobsIn = (path: string): string[] =>
    readdirSync(join(path, 'blobs/sha256')).map((hex) => join(path, 'blobs/sha256', hex));
  const damagedIn = (path: string): string[] =>
    blobsIn(path).filter((file) => !file.endsWith(digestOf(readFileSync(file)).slice('sha256:'.length)));

  /** Changes one byte of the layer that the last step made, the smallest one. Returns its file. */
  function damage(path: string): string {
    const manifest = JSON.parse(readFileSync(join(path, 'index.json'), 'utf8')) as {
      manifests: { digest: string }[];
    };
    const fileOf = (digest = ''): string => join(path, 'blobs', digest.replace(':', '/'));
    const { layers } = JSON.parse(readFileSync(fileOf(manifest.manifests[0]?.digest), 'utf8')) as {
      layers: { digest: string; size: number }[];
    };
    const [smallest] = layers.toSorted((a, b) => a.size - b.size);
    const file = fileOf(smallest?.digest);
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    assert.deepEqual(damagedIn(path), [file]);
    return file;
  }

  test('a layer with other bytes of the same size is a miss with a warning', async () => {
    const { path, to, from } = entry();
    const made = await buildImage(registry.host, { to: [to] });
    assert.equal((await buildImage(registry.host, { from: [from] })).ran.length, 0);
    const file = damage(path);
    const built = await buildImage(registry.host, { from: [from] });
    assert.equal(built.error, undefined);
    assert.equal(built.digest, made.digest);
    assert.equal(built.ran.length, 1);
    assert.equal(built.warnings.length, 1, built.warnings.join('\n'));
    const [warning = ''] = built.warnings;
    for (const part of [`local:${path}`, file.slice(-64), 'has other content'])
      assert.ok(warning.includes(part), warning);
  });

  for (const more of ['', ',merge=true', ',reset=true']) {
    test(`an export writes a damaged layer anew, and nothing else${more}`, async () => {
      const { path, to, from } = entry();
      const store = join(directory, `store${places}`);
      await buildImage(registry.host, { to: [to], store });
      const file = damage(path);
      const before = new Map(blobsIn(path).map((each) => [each, statSync(each).ino]));
      const mended = await buildImage(registry.host, { to: [`${to}${more}`], store });
      assert.equal(mended.error, undefined);
      assert.deepEqual(mended.ran, []);
      assert.deepEqual(damagedIn(path), []);
      for (const [each, inode] of before) if (each !== file) assert.equal(statSync(each).ino, inode);
      const found = await buildImage(registry.host, { from: [from] });
      assert.deepEqual(found.ran, []);
      assert.deepEqual(found.warnings, []);
    });
  }

  test('an export that changes nothing is skipped, also in a directory that was copied without notes', async () => {
    const { path, to, from } = entry();
    await buildImage(registry.host, { to: [to] });
    for (const notes of [true, false]) {
      if (!notes) rmSync(join(path, '.cairn'), { recursive: true });
      const again = await buildImage(registry.host, { from: [from], to: [to] });
      assert.ok(
        again.statuses.some((id) => id.endsWith('is unchanged')),
        again.statuses.join('\n'),
      );
    }
  });
});
