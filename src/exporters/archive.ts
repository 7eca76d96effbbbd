import type { BlobProvider, Descriptor } from '../content/contract.ts';
import { verified } from '../content/verify.ts';
import type { TarEntry } from '../snapshots/tar/entry.ts';
import { TarWriter } from '../snapshots/tar/writer.ts';

/** A file or directory of the archive. */
export type ArchiveRecord =
  | { name: string; mode: number; text: string }
  | { name: string; mode: number; blob: Descriptor }
  | { name: string; mode: number; directory: true };

/** `blobs/sha256/…` of a blob. */
export function blobPath(blob: Pick<Descriptor, 'digest'>): string {
  return `blobs/${blob.digest.replace(':', '/')}`;
}

/** Records of the blobs and of the directories they are in. */
export function blobRecords(blobs: readonly Descriptor[]): ArchiveRecord[] {
  const directories = new Set(['blobs', ...blobs.map((blob) => `blobs/${blob.digest.split(':')[0] ?? ''}`)]);
  return [
    ...[...directories].map((name): ArchiveRecord => ({ name, mode: 0o755, directory: true })),
    ...blobs.map((blob): ArchiveRecord => ({ name: blobPath(blob), mode: 0o444, blob })),
  ];
}

/**
 * A tar of the records, sorted by name, each name once: equal images give equal archives. Blobs are verified
 * while they are copied.
 *
 * @throws CairnError CORRUPT when a blob is not what its descriptor says
 */
export async function* archive(
  records: readonly ArchiveRecord[],
  provider: BlobProvider,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let chunks: Uint8Array[] = [];
  const writer = new TarWriter((chunk) => chunks.push(chunk));
  const ready = (): Uint8Array[] => {
    const full = chunks;
    chunks = [];
    return full;
  };
  const byName = new Map(records.map((record) => [sortKey(record), record]));
  for (const key of [...byName.keys()].sort()) {
    const record = byName.get(key);
    if (record === undefined) continue;
    if ('blob' in record) {
      writer.header(entry(record, record.blob.size));
      for await (const chunk of verified(provider.read(record.blob, { signal }), record.blob)) {
        writer.data(chunk);
        yield* ready();
      }
      writer.pad(record.blob.size);
    } else if ('text' in record) {
      const bytes = Buffer.from(record.text);
      writer.header(entry(record, bytes.length));
      writer.data(bytes);
      writer.pad(bytes.length);
    } else {
      writer.header({ ...entry(record, 0), type: 'dir' });
    }
  }
  writer.end();
  yield* ready();
}

function sortKey(record: ArchiveRecord): string {
  return 'directory' in record ? `${record.name}/` : record.name;
}

function entry({ name, mode }: ArchiveRecord, size: number): TarEntry {
  return {
    type: 'file',
    name,
    linkname: '',
    mode,
    uid: 0,
    gid: 0,
    size,
    mtime: 0,
    mtimeNs: 0,
    devMajor: 0,
    devMinor: 0,
    xattrs: undefined,
  };
}
