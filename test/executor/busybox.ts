/** A root file system to run steps in: the busybox image of the conformance data, unpacked by tar. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const LAYOUT = join(import.meta.dirname, '../conformance/base-images/layout');
const REFERENCE = 'docker.io/library/busybox:latest';

interface Blob {
  mediaType: string;
  digest: string;
  size: number;
}

interface Manifest {
  manifests?: (Blob & { annotations?: Record<string, string> })[];
  layers?: Blob[];
  config?: Blob;
}

function blob(digest: string): string {
  return join(LAYOUT, 'blobs', digest.replace(':', '/'));
}

function manifest(path: string): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest;
}

function image(): Manifest {
  const index = manifest(join(LAYOUT, 'index.json'));
  const entry = index.manifests?.find(
    ({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === REFERENCE,
  );
  if (entry === undefined) throw new Error(`no ${REFERENCE} in ${LAYOUT}`);
  return manifest(blob(entry.digest));
}

/** Its layers with the places of their blobs. */
export function busyboxLayers(): { descriptor: Blob; diffID: string; path: string }[] {
  const { config, layers = [] } = image();
  const { rootfs } = JSON.parse(readFileSync(blob(config?.digest ?? ''), 'utf8')) as {
    rootfs: { diff_ids: string[] };
  };
  return layers.map((descriptor, index) => ({
    descriptor,
    diffID: rootfs.diff_ids[index] ?? '',
    path: blob(descriptor.digest),
  }));
}

/** Unpacks busybox into `directory`, which is made. */
export function unpackBusybox(directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const { path } of busyboxLayers()) execFileSync('tar', ['-xzf', path, '-C', directory]);
}
