import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { mkdir, open, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CairnError } from '../errors/error.ts';
import type { Store } from '../store/contract.ts';
import type { BlobInfo, ByteRange, ContentStore, Descriptor, Digest } from './contract.ts';
import { Digester, digestOf, isDigest, parseDigest } from './digest.ts';
import { checkBlob, collect, verified, WrongBlobError, type Expected } from './verify.ts';

/** Bytes per read from a blob's file. */
const READ_CHUNK_BYTES = 256 * 1024;
/** Up to this, a blob is read at once: to wait for it in the thread pool would take longer. */
const INLINE_BYTES = 1024 * 1024;
/** Small pieces are gathered into writes of this many bytes. */
const WRITE_CHUNK_BYTES = 1024 * 1024;
/** Flushing starts while the blob is still being written, every so many bytes: the end has less to wait for. */
const FLUSH_EVERY_BYTES = 64 * 1024 * 1024;

const LAYOUT_FILE = 'oci-layout';
const LAYOUT = '{"imageLayoutVersion":"1.0.0"}';

/** The content store of a store directory, with leases on what it was given in this process. */
export interface LeasingContentStore extends ContentStore {
  /** Lets the collector have what was ingested and is used by nothing. */
  releaseLeases(): void;
}

/**
 * Blobs as `blobs/<algorithm>/<hex>`, the OCI image layout. What was ingested, held, or found to be there
 * already by an ingest, is leased until {@link LeasingContentStore.releaseLeases} or the end of the process, so that
 * nothing collects a blob between its writing and the record that will name it.
 */
export function createContentStore(store: Store): LeasingContentStore {
  return new FileContentStore(store);
}

class FileContentStore implements LeasingContentStore {
  readonly #store: Store;
  readonly #leases = new Map<Digest, { release(): void }>();
  #layoutWritten = false;

  constructor(store: Store) {
    this.#store = store;
  }

  info(digest: Digest): BlobInfo | undefined {
    const stat = statSync(this.path(digest), { throwIfNoEntry: false });
    return stat === undefined ? undefined : { digest, size: stat.size };
  }

  // Leased before it is looked for: the collector then either sees the lease or was done before.
  hold(digest: Digest): BlobInfo | undefined {
    if (this.info(digest) === undefined) return undefined;
    this.#lease(digest);
    return this.info(digest);
  }

  path(digest: Digest): string {
    const { algorithm, hex } = parseDigest(digest);
    return join(this.#store.root, 'blobs', algorithm, hex);
  }

  async *read(
    blob: Descriptor,
    options: { range?: ByteRange; signal?: AbortSignal } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { range, signal } = options;
    const file = await this.#open(blob.digest);
    try {
      let position = range?.start ?? 0;
      const end = range?.end ?? Infinity;
      while (position < end) {
        signal?.throwIfAborted();
        const length = Math.min(READ_CHUNK_BYTES, end - position);
        // A new buffer each time: consumers keep chunks while later ones are read.
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, position);
        if (bytesRead === 0) return;
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  async readAll(digest: Digest, limit: number): Promise<Uint8Array> {
    const info = this.info(digest);
    if (info === undefined) throw notHere(digest);
    if (info.size > limit) {
      throw new CairnError(
        `blob ${digest} has ${info.size} bytes, more than the ${limit} that are allowed here`,
        {
          code: 'CORRUPT',
        },
      );
    }
    if (info.size > INLINE_BYTES) {
      return collect(verified(this.read({ mediaType: '', digest, size: info.size }), info), limit);
    }
    const bytes = this.#readNow(digest);
    const digester = new Digester(parseDigest(digest).algorithm);
    digester.update(bytes);
    checkBlob({ digest: digester.digest(), size: bytes.length }, info);
    return bytes;
  }

  async readSound(digest: Digest, limit: number): Promise<Uint8Array | undefined> {
    try {
      return await this.readAll(digest, limit);
    } catch (error) {
      if (error instanceof CairnError && error.code === 'NOT_FOUND') return undefined;
      if (!(error instanceof WrongBlobError)) throw error;
      this.delete(digest);
      return undefined;
    }
  }

  async ingest(
    bytes: AsyncIterable<Uint8Array> | Uint8Array,
    expected: Expected = {},
    options: { signal?: AbortSignal } = {},
  ): Promise<BlobInfo> {
    if (bytes instanceof Uint8Array) {
      // Hashed first: what is there already needs no file.
      const actual = { digest: digestOf(bytes), size: bytes.length };
      if (expected.digest === undefined || expected.digest.startsWith('sha256:')) checkBlob(actual, expected);
      const digest = expected.digest ?? actual.digest;
      const present = this.hold(digest);
      // What the disk damaged since is small enough to be noticed here, and is mended.
      const sound =
        present?.size === bytes.length && (await this.readSound(digest, bytes.length)) !== undefined;
      return sound ? actual : await this.#write([bytes], expected, options.signal);
    }
    const present = expected.digest === undefined ? undefined : this.hold(expected.digest);
    const whole = present !== undefined && present.size === (expected.size ?? present.size);
    return whole ? present : await this.#write(bytes, expected, options.signal);
  }

  delete(digest: Digest): void {
    rmSync(this.path(digest), { force: true });
  }

  *list(): Generator<BlobInfo, void, undefined> {
    const root = join(this.#store.root, 'blobs');
    for (const algorithm of existsSync(root) ? readdirSync(root) : []) {
      for (const hex of readdirSync(join(root, algorithm))) {
        const digest = `${algorithm}:${hex}`;
        const info = isDigest(digest) ? this.info(digest) : undefined;
        if (info !== undefined) yield info;
      }
    }
  }

  releaseLeases(): void {
    for (const lease of this.#leases.values()) lease.release();
    this.#leases.clear();
  }

  #lease(digest: Digest): void {
    if (!this.#leases.has(digest)) this.#leases.set(digest, this.#store.lease('blob', digest));
  }

  #readNow(digest: Digest): Uint8Array {
    try {
      return readFileSync(this.path(digest));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw notHere(digest);
      throw error;
    }
  }

  async #open(digest: Digest): Promise<FileHandle> {
    try {
      return await open(this.path(digest), 'r');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw notHere(digest);
      throw error;
    }
  }

  async #write(
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    expected: Expected,
    signal: AbortSignal | undefined,
  ): Promise<BlobInfo> {
    const temp = this.#store.tempPath('.blob');
    try {
      const info = await writeHashed(temp, bytes, expected, signal);
      checkBlob(info, expected);
      this.#lease(info.digest);
      const path = this.path(info.digest);
      await mkdir(dirname(path), { recursive: true, mode: 0o711 });
      await rename(temp, path);
      await this.#writeLayout();
      return info;
    } catch (error) {
      await rm(temp, { force: true });
      throw diskError(error, this.#store.root);
    }
  }

  /** The file that makes the directory an OCI layout for other tools. */
  async #writeLayout(): Promise<void> {
    if (this.#layoutWritten) return;
    const file = join(this.#store.root, LAYOUT_FILE);
    if (!existsSync(file)) {
      const temp = this.#store.tempPath('.layout');
      await writeFile(temp, LAYOUT);
      await rename(temp, file);
    }
    this.#layoutWritten = true;
  }
}

/** Writes and flushes a file, hashing on the way; holds at most two write chunks and one piece in memory. */
async function writeHashed(
  path: string,
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  expected: Expected,
  signal: AbortSignal | undefined,
): Promise<BlobInfo> {
  const digester = new Digester(
    expected.digest === undefined ? undefined : parseDigest(expected.digest).algorithm,
  );
  const file = await open(path, 'wx', 0o600);
  let flushing: Promise<void> | undefined;
  try {
    let pieces: Uint8Array[] = [];
    let gathered = 0;
    let sinceFlush = 0;
    const flushPieces = async (): Promise<void> => {
      if (gathered === 0) return;
      await writeAll(file, pieces, gathered);
      sinceFlush += gathered;
      pieces = [];
      gathered = 0;
      if (sinceFlush >= FLUSH_EVERY_BYTES && flushing === undefined) {
        sinceFlush = 0;
        // A failure shows again at the last flush.
        flushing = file.datasync().then(
          () => (flushing = undefined),
          () => (flushing = undefined),
        );
      }
    };
    for await (const chunk of bytes) {
      signal?.throwIfAborted();
      digester.update(chunk);
      if (expected.size !== undefined && digester.size > expected.size) break;
      pieces.push(chunk);
      gathered += chunk.length;
      if (gathered >= WRITE_CHUNK_BYTES) await flushPieces();
    }
    await flushPieces();
    await flushing;
    await file.sync();
    return { digest: digester.digest(), size: digester.size };
  } finally {
    await flushing;
    await file.close();
  }
}

async function writeAll(file: FileHandle, pieces: Uint8Array[], total: number): Promise<void> {
  const { bytesWritten } = await file.writev(pieces);
  if (bytesWritten === total) return;
  // A short write happens on a disk that is nearly full; the rest brings the error out.
  await file.writeFile(Buffer.concat(pieces, total).subarray(bytesWritten));
}

function notHere(digest: Digest): CairnError {
  return new CairnError(`blob ${digest} is not in the content store`, { code: 'NOT_FOUND' });
}

function diskError(error: unknown, root: string): unknown {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')) {
    return new CairnError(`store ${root} has no space left on its disk`, {
      code: 'STORE',
      hint: 'free some space, e.g. with `cairn prune`, or choose another --root',
      cause: error,
    });
  }
  return error;
}
