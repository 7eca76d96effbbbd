/**
 * Removing directories and blobs that no record refers to. What is recorded, and what a process is about to record,
 * is told apart under the database's write lock: names are given and taken there only.
 */
import { statSync } from 'node:fs';
import type { ContentStore, Digest } from '../content/contract.ts';
import type { Format } from './records.ts';
import type { SnapshotterParts } from './snapshotter.ts';

/** Blobs that nothing refers to, as manifests of images that were built, are kept this long, in milliseconds. */
const UNUSED_BLOB_AGE_MS = 24 * 3_600_000;
/** Blobs that one transaction looks at, so that builds of other processes need not wait. */
const BATCH = 200;

const FORMATS: readonly Format[] = ['overlay', 'overlay-user', 'native'];

/** @param all also what is young */
export async function sweepUnrecorded(
  parts: Pick<SnapshotterParts, 'records' | 'directories' | 'store'>,
  content: ContentStore,
  { all = false }: { all?: boolean } = {},
): Promise<number> {
  for (const format of FORMATS) {
    for (const id of parts.directories.ids(format)) {
      if (parts.records.directory(format, id) === undefined) await discardUnrecorded(parts, format, id);
    }
  }
  const young = Date.now() - (all ? 0 : UNUSED_BLOB_AGE_MS);
  const old = [...content.list()]
    .map(({ digest }) => digest)
    .filter((digest) => !parts.records.hasBlob(digest))
    .filter(
      (digest) => (statSync(content.path(digest), { throwIfNoEntry: false })?.mtimeMs ?? young) < young,
    );
  return deleteUnrecorded(parts, content, old);
}

/** Takes a directory away, at once by name, then file by file; one that has a record now stays. */
export async function discardUnrecorded(
  { records, directories, store }: Pick<SnapshotterParts, 'records' | 'directories' | 'store'>,
  format: Format,
  id: string,
): Promise<void> {
  const aside = store.transaction(() =>
    records.directory(format, id) === undefined ? directories.retire(format, id) : undefined,
  );
  if (aside !== undefined) await directories.remove(aside);
}

/** Deletes blobs that no layer has and no living process holds. @returns bytes freed */
export function deleteUnrecorded(
  { records, store }: Pick<SnapshotterParts, 'records' | 'store'>,
  content: ContentStore,
  blobs: readonly Digest[],
): number {
  let freed = 0;
  for (let start = 0; start < blobs.length; start += BATCH) {
    store.transaction(() => {
      const held = store.leased('blob');
      for (const digest of blobs.slice(start, start + BATCH)) {
        if (held.has(digest) || records.hasBlob(digest)) continue;
        freed += content.info(digest)?.size ?? 0;
        content.delete(digest);
      }
    });
  }
  return freed;
}
