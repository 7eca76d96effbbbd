/** A registry filled with the conformance data's base images under their names. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { startDockerRegistry, type RegistryOptions, type RegistryServer } from './docker_registry.ts';

const LAYOUT = resolve(import.meta.dirname, '../conformance/base-images/layout');

interface Entry {
  mediaType: string;
  digest: string;
  annotations?: Record<string, string>;
}

/** Takes `docker.io/library/busybox:latest` apart. */
function splitName(name: string): { repository: string; tag: string } {
  const path = name.slice(name.indexOf('/') + 1);
  const colon = path.lastIndexOf(':');
  return { repository: path.slice(0, colon), tag: path.slice(colon + 1) };
}

async function request(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (!response.ok && response.status !== 404) {
    throw new Error(`${init.method} ${url}: ${response.status} ${await response.text()}`);
  }
  await response.arrayBuffer();
  return response;
}

/**
 * Copies every image of the OCI layout at `layout` to a registry at `host` (plain http), byte for byte. The
 * repository is the name without its host, so one registry can be the mirror of all hosts that the names use.
 */
export async function fillRegistry(host: string, layout: string = LAYOUT): Promise<void> {
  const read = (digest: string): Buffer => readFileSync(join(layout, 'blobs', digest.replace(':', '/')));
  const pushBlob = async (base: string, digest: string): Promise<void> => {
    if ((await request(`${base}/blobs/${digest}`, { method: 'HEAD' })).status === 200) return;
    const start = await request(`${base}/blobs/uploads/`, { method: 'POST' });
    const location = new URL(start.headers.get('location') ?? '', base);
    location.searchParams.set('digest', digest);
    await request(location.href, { method: 'PUT', body: new Uint8Array(read(digest)) });
  };
  const pushManifest = async (base: string, entry: Entry, tag: string): Promise<void> => {
    const bytes = read(entry.digest);
    const manifest = JSON.parse(bytes.toString()) as {
      manifests?: Entry[];
      config?: Entry;
      layers?: Entry[];
    };
    for (const child of manifest.manifests ?? []) await pushManifest(base, child, child.digest);
    for (const blob of [manifest.config, ...(manifest.layers ?? [])]) {
      if (blob !== undefined) await pushBlob(base, blob.digest);
    }
    await request(`${base}/manifests/${tag}`, {
      method: 'PUT',
      headers: { 'content-type': entry.mediaType },
      body: new Uint8Array(bytes),
    });
  };
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: Entry[] };
  for (const entry of index.manifests) {
    const { repository, tag } = splitName(entry.annotations?.['org.opencontainers.image.ref.name'] ?? '');
    await pushManifest(`http://${host}/v2/${repository}`, entry, tag);
  }
}

/** Starts a registry and fills it with the base images; `layout` for data elsewhere. */
export async function startBaseImageRegistry(
  options: RegistryOptions = {},
  layout: string = LAYOUT,
): Promise<RegistryServer> {
  const server = await startDockerRegistry(options);
  try {
    await fillRegistry(server.host, layout);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}
