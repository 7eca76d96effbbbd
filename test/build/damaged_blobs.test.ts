/** Blobs of the store that were damaged on its disk are noticed where they are used, and made or fetched anew. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { digestOf } from '../../src/content/digest.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import { startDockerRegistry, type RegistryServer } from '../servers/docker_registry.ts';
import { useCairn, type Cairn } from './cairn.ts';

let registry: RegistryServer;
let cairn: Cairn;
let scratch: string;
let others: RegistryServer[];
let started: RegistryServer[];

before(async () => {
  started = await Promise.all(Array.from({ length: 4 }, () => startDockerRegistry()));
  others = [...started];
  registry = await startBaseImageRegistry();
  cairn = useCairn(registry.host);
  scratch = mkdtempSync(join(tmpdir(), 'cairn-damaged-'));
});
after(async () => {
  cairn.remove();
  rmSync(scratch, { recursive: true, force: true });
  for (const server of [registry, ...started]) await server.stop();
});

function flip(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

const OUTPUTS = {
  'an archive': () => ['--output', `type=oci,dest=${join(scratch, 'image.tar')}`],
  // To another registry than before, which lacks all blobs.
  'a registry': () => ['--push', '-t', `${others.shift()?.host}/app:1`],
};

for (const [where, output] of Object.entries(OUTPUTS)) {
  for (const [how, damage] of Object.entries({
    flipped: flip,
    cut: (file: string) => truncateSync(file, 20),
  })) {
    test(`all blobs are ${how}, and the image goes to ${where}`, async () => {
      cairn.removeStore();
      const project = cairn.project({
        Dockerfile: 'FROM alpine:3.20\nCOPY a /a\nRUN cat /a > /b\n',
        a: `${how} ${where}`,
      });
      const metadata = join(scratch, 'metadata.json');
      const build = async (to: string[]): Promise<string> => {
        const args = ['build', '--progress=plain', '--metadata-file', metadata, ...to, project];
        const { code, stderr } = await cairn.run(args);
        assert.equal(code, 0, stderr);
        return stderr;
      };
      const first = output();
      await build(first);
      const blobs = join(cairn.store, 'blobs/sha256');
      assert.ok(readdirSync(blobs).length > 2);
      for (const hex of readdirSync(blobs)) damage(join(blobs, hex));
      const second = output();
      assert.match(await build(second), /blob sha256:\w+ of the store was damaged/);
      assert.doesNotMatch(await build(second), /of the store was damaged/);
      const image = JSON.parse(readFileSync(metadata, 'utf8')) as Record<string, string>;
      for (const name of ['containerimage.digest', 'containerimage.config.digest']) {
        const digest = image[name] ?? '';
        assert.equal(digestOf(readFileSync(join(blobs, digest.slice('sha256:'.length)))), digest);
      }
    });
  }
}

test('a base image whose blob is damaged before it is unpacked is fetched anew', async () => {
  cairn.removeStore();
  const project = cairn.project({ Dockerfile: 'FROM busybox\nCOPY a /a\n', a: 'a' });
  const archive = join(scratch, 'base.tar');
  // The bytes of an archive are fetched, and nothing is unpacked for it.
  const first = await cairn.run(['build', '--output', `type=oci,dest=${archive}`, project]);
  assert.equal(first.code, 0, first.stderr);
  const blobs = join(cairn.store, 'blobs/sha256');
  for (const hex of readdirSync(blobs)) flip(join(blobs, hex));
  writeFileSync(join(project, 'Dockerfile'), 'FROM busybox\nRUN echo 1 > /a\n');
  const next = await cairn.run([
    'build',
    '--progress=plain',
    '--output',
    `type=oci,dest=${archive}`,
    project,
  ]);
  assert.equal(next.code, 0, next.stderr);
  assert.match(next.stderr, /blob sha256:\w+ of the store was damaged/);
});
