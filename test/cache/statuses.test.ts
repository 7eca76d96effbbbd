/** What is shown of exports and imports of caches: the lines that BuildKit prints, in its order. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { buildImage } from './build.ts';

const MANIFESTS = [
  ['', 'writing cache image manifest', 'application/vnd.oci.image.manifest.v1+json'],
  [',image-manifest=false', 'writing cache manifest', 'application/vnd.oci.image.index.v1+json'],
  [
    ',oci-mediatypes=false',
    'writing cache manifest',
    'application/vnd.docker.distribution.manifest.list.v2+json',
  ],
] as const;

describe('statuses of caches', () => {
  let registry: RegistryServer;
  let directory: string;
  let places = 0;

  before(async () => {
    registry = await startBaseImageRegistry();
    directory = mkdtempSync(join(tmpdir(), 'cairn-statuses-'));
  });
  after(async () => {
    await registry.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Without digests, those of layers once. */
  const shown = (statuses: readonly string[]): string[] => [
    ...new Set(
      statuses
        .map((id) => id.replace(/ sha256:[0-9a-f]{64}/, ''))
        .filter((id) => /cache|^writing|^sending/.test(id)),
    ),
  ];

  for (const type of ['registry', 'local'] as const) {
    // The formats are the same code in both.
    for (const [format, written, mediaType] of type === 'registry' ? MANIFESTS : MANIFESTS.slice(0, 1)) {
      test(`type=${type}${format}`, async () => {
        const name = String(places++);
        const place = (side: string): string =>
          type === 'registry'
            ? `type=registry,ref=${registry.host}/statuses:${name}`
            : `type=local,${side}=${join(directory, name)}`;
        const flags = { output: ['type=cacheonly'] };
        const made = await buildImage(registry.host, { to: [`${place('dest')},mode=max${format}`], flags });
        assert.deepEqual(shown(made.statuses), [
          'preparing build cache for export',
          'sending cache export',
          'writing layer',
          'writing config',
          written,
        ]);
        const found = await buildImage(registry.host, { from: [place('src')], flags });
        assert.deepEqual(shown(found.statuses), [`inferred cache manifest type: ${mediaType}`]);
      });
    }
  }
});
