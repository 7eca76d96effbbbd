/** A root file system to run steps in: the busybox image of the conformance data, unpacked by tar. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const LAYOUT = join(import.meta.dirname, '../conformance/base-images/layout');
const REFERENCE = 'docker.io/library/busybox:latest';

interface Manifest {
  manifests?: { digest: string; annotations?: Record<string, string> }[];
  layers?: { digest: string }[];
}

function blob(digest: string): string {
  return join(LAYOUT, 'blobs', digest.replace(':', '/'));
}

function manifest(path: string): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest;
}

/** Unpacks busybox into `directory`, which is made. */
export function unpackBusybox(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const index = manifest(join(LAYOUT, 'index.json'));
  const image = index.manifests?.find(
    ({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === REFERENCE,
  );
  if (image === undefined) throw new Error(`no ${REFERENCE} in ${LAYOUT}`);
  for (const { digest } of manifest(blob(image.digest)).layers ?? []) {
    execFileSync('tar', ['-xzf', blob(digest), '-C', directory]);
  }
}
