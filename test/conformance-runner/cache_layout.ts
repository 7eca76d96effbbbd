/** Exported caches of the golden data: OCI layouts without their large blobs, which are put back here. */
import { copyFileSync, cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CacheConfig } from '../../src/cache/contract.ts';
import type { Descriptor } from '../../src/content/contract.ts';

interface Manifest {
  mediaType?: string;
  config?: Descriptor;
  layers?: Descriptor[];
  manifests?: Descriptor[];
}

/** Copies a layout to `target`, with the blobs that were left out. */
export function completeLayout(
  layout: string,
  omitted: readonly { digest: string }[],
  blobs: string,
  target: string,
): void {
  cpSync(layout, target, { recursive: true });
  for (const { digest } of omitted) {
    const hex = digest.replace('sha256:', '');
    copyFileSync(join(blobs, hex), join(target, 'blobs/sha256', hex));
  }
}

export interface LayoutCache {
  config: CacheConfig;
  /** Digests of blobs to their diffIDs. */
  diffIDs: Map<string, string>;
}

/** The cache under the tag `latest` of a layout; undefined: the layout has none. */
export function readLayoutCache(layout: string): LayoutCache | undefined {
  if (!existsSync(join(layout, 'index.json'))) return undefined;
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as Manifest;
  const [root] = index.manifests ?? [];
  if (root === undefined) return undefined;
  const manifest = readBlob(layout, root.digest) as Manifest;
  const all = [...(manifest.layers ?? []), ...(manifest.manifests ?? []), manifest.config];
  const config = all.find((each) => each?.mediaType === 'application/vnd.buildkit.cacheconfig.v0');
  if (config === undefined) return undefined;
  const diffIDs = all.map((each) => [
    each?.digest ?? '',
    each?.annotations?.['containerd.io/uncompressed'] ?? '',
  ]);
  return {
    config: readBlob(layout, config.digest) as CacheConfig,
    diffIDs: new Map(diffIDs as [string, string][]),
  };
}

function readBlob(layout: string, digest: string): unknown {
  return JSON.parse(readFileSync(join(layout, 'blobs', digest.replace(':', '/')), 'utf8'));
}

/** Pushes the first image of a layout to a registry, byte for byte. */
export async function pushLayout(
  layout: string,
  host: string,
  repository: string,
  tag: string,
): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  const bytesOf = (digest: string): Uint8Array<ArrayBuffer> =>
    new Uint8Array(readFileSync(join(layout, 'blobs', digest.replace(':', '/'))));
  const send = async (url: string, init: RequestInit): Promise<Response> => {
    const response = await fetch(url, init);
    if (!response.ok) throw new Error(`${init.method} ${url}: ${response.status} ${await response.text()}`);
    return response;
  };
  const push = async ({ digest, mediaType }: Descriptor, name: string): Promise<void> => {
    const manifest = readBlob(layout, digest) as Manifest;
    for (const child of manifest.manifests ?? []) await push(child, child.digest);
    for (const blob of [manifest.config, ...(manifest.layers ?? [])]) {
      if (blob === undefined) continue;
      const start = await send(`${base}/blobs/uploads/`, { method: 'POST' });
      const location = new URL(start.headers.get('location') ?? '', base);
      location.searchParams.set('digest', blob.digest);
      await send(location.href, { method: 'PUT', body: bytesOf(blob.digest) });
    }
    const headers = { 'content-type': mediaType };
    await send(`${base}/manifests/${name}`, { method: 'PUT', headers, body: bytesOf(digest) });
  };
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as Manifest;
  const [root] = index.manifests ?? [];
  if (root === undefined) throw new Error(`${layout} has no image`);
  await push(root, tag);
}
