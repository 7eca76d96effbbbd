/**
 * A directory in OCI's image layout (image-spec v1.1, image-layout.md) that any number of processes write caches
 * to: blobs by digest, index.json that names manifests by tag. Files are written beside their place, flushed and
 * renamed.
 *
 * Two locks in `.cairn/` keep processes apart. `writing.lock` is shared by those that write blobs or rely on blobs
 * they found, and taken alone by a reset, which removes blobs that index.json does not lead to. `index.lock` is
 * taken alone around each change of index.json.
 */
import { createReadStream, existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { BlobProvider, ByteRange, Descriptor, Digest } from '../../content/contract.ts';
import { parseDigest } from '../../content/digest.ts';
import { verified } from '../../content/verify.ts';
import { CairnError, messageOf } from '../../errors/error.ts';
import { makeDirectories } from '../../platform/make_directories.ts';
import { removeAbandoned, temporaryName } from '../../platform/temporary_name.ts';
import { pause } from '../../registry/cancel.ts';
import { lockFile } from '../../sources/file_lock.ts';
import { isBusy } from '../../store/sqlite_error.ts';
import { CheckedBlobs, stateOf } from './layout_checked.ts';
import { LayoutIndex } from './layout_index.ts';
import { MAX_INDEX_BYTES, MAX_MANIFEST_BYTES, RESET_WAIT_MS } from './limits.ts';
import { decodeManifest } from './manifest_format.ts';

const LAYOUT_TEXT = '{"imageLayoutVersion":"1.0.0"}';
const LOCKS = '.cairn';
/** containerd's name for the place of unfinished blobs, which tools that read layouts leave alone. */
const UNFINISHED = 'ingest';
const POLL_MS = 20;

/** Holds resets off until it ends. */
export interface Writing {
  end(): void;
}

export class Layout {
  readonly path: string;
  readonly #checked: CheckedBlobs;
  /** Whether what killed processes left was looked for. */
  #tidied = false;

  /** @param path absolute; need not be there yet */
  constructor(path: string) {
    this.path = path;
    this.#checked = new CheckedBlobs(path);
  }

  /** A blob that is here, of unknown media type. */
  blob(digest: Digest): Descriptor | undefined {
    const found = statSync(this.#file(digest), { throwIfNoEntry: false });
    return found?.isFile() === true ? { mediaType: '', digest, size: found.size } : undefined;
  }

  /**
   * Whether the blob is here, with the right bytes: they are hashed when nobody did so since the file changed. So an
   * export mends what was damaged, where a build that misses it makes the same layer again.
   */
  async has({ digest, size }: Descriptor, signal: AbortSignal): Promise<boolean> {
    const file = this.#file(digest);
    if (this.blob(digest)?.size !== size) return false;
    if (this.#checked.has(digest, file)) return true;
    const state = stateOf(file);
    try {
      for await (const _ of verified(this.read({ mediaType: '', digest, size }), { digest, size }))
        signal.throwIfAborted();
    } catch (error) {
      if (error instanceof CairnError) return false;
      throw error;
    }
    if (state !== undefined) this.#checked.add(digest, state);
    return true;
  }

  /** @throws CairnError CORRUPT */
  tagged(name: string): Descriptor | undefined {
    return this.#index().tagged(name);
  }

  /** @throws CairnError NOT_FOUND while it is read */
  async *read(blob: Descriptor, range?: ByteRange): AsyncIterable<Uint8Array> {
    const end = range?.end === undefined ? {} : { end: range.end - 1 };
    try {
      for await (const chunk of createReadStream(this.#file(blob.digest), {
        start: range?.start ?? 0,
        ...end,
      })) {
        yield chunk as Uint8Array;
      }
    } catch (cause) {
      const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
      throw new CairnError(`blob ${blob.digest} cannot be read from ${this.path}: ${messageOf(cause)}`, {
        code: missing ? 'NOT_FOUND' : 'UNAVAILABLE',
        cause,
      });
    }
  }

  /** Stores a blob, unless it is here; `source` checks its bytes. Nothing is kept of one that fails. */
  async write(
    blob: Descriptor,
    source: BlobProvider,
    signal: AbortSignal,
    onProgress?: (bytes: number) => void,
  ): Promise<void> {
    if (await this.has(blob, signal)) return;
    const path = this.#file(blob.digest);
    const temporary = this.#temporary();
    makeDirectories(dirname(path));
    try {
      const file = await open(temporary, 'wx');
      try {
        let written = 0;
        for await (const chunk of source.read(blob, { signal })) {
          await writeTo(file, chunk, path);
          written += chunk.length;
          onProgress?.(written);
        }
        await file.sync();
      } finally {
        await file.close();
      }
      const state = stateOf(temporary);
      renameSync(temporary, path);
      if (state !== undefined) this.#checked.add(blob.digest, state);
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  /** Changes index.json; nobody else does meanwhile. @throws CairnError CORRUPT */
  async update<T>(signal: AbortSignal, change: (index: LayoutIndex) => T): Promise<T> {
    const release = await lockFile(this.#lock('index.lock'), signal);
    try {
      const index = this.#index();
      const before = index.encode();
      const result = change(index);
      await this.#replace('oci-layout', LAYOUT_TEXT);
      if (index.encode() !== before) await this.#replace('index.json', index.encode());
      return result;
    } finally {
      release();
    }
  }

  /** Makes the directory, and holds resets off. */
  async beginWriting(signal: AbortSignal): Promise<Writing> {
    const path = this.#lock('writing.lock');
    for (;;) {
      const lock = new DatabaseSync(path, { timeout: 0 });
      try {
        // A read transaction shares the lock of the file with other readers, until it ends.
        lock.exec('BEGIN; SELECT 1 FROM sqlite_master');
        return { end: () => lock.close() };
      } catch (error) {
        lock.close();
        if (!isBusy(error)) throw error;
      }
      await pause(POLL_MS, signal);
    }
  }

  /**
   * Removes blobs that index.json does not lead to. Not while others write: then the last of them does it. A blob
   * that a manifest may name, because the manifest cannot be understood, stays.
   */
  async reset(signal: AbortSignal): Promise<void> {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(RESET_WAIT_MS)]);
    let release: () => void;
    try {
      release = await lockFile(this.#lock('writing.lock'), patience);
    } catch (error) {
      if (signal.aborted || !patience.aborted) throw error;
      return;
    }
    try {
      const named = new Set<string>();
      for (const digest of this.#index().digests()) this.#mark(digest, named);
      const root = join(this.path, 'blobs');
      for (const algorithm of await entries(root)) {
        for (const hex of await entries(join(root, algorithm))) {
          if (named.has(`${algorithm}:${hex}`)) continue;
          rmSync(join(root, algorithm, hex), { force: true });
          this.#checked.remove(`${algorithm}:${hex}` as Digest);
        }
      }
      for (const name of await entries(join(this.path, UNFINISHED))) {
        if (name.startsWith('.cairn-')) rmSync(join(this.path, UNFINISHED, name), { force: true });
      }
    } finally {
      release();
    }
  }

  /** Notes a manifest and all that it leads to. */
  #mark(digest: Digest, named: Set<string>): void {
    const open = [digest];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (named.has(next)) continue;
      named.add(next);
      const found = this.blob(next);
      if (found === undefined || found.size > MAX_MANIFEST_BYTES) continue;
      try {
        const { config, imageConfig, layers, manifests } = decodeManifest(readFileSync(this.#file(next)));
        for (const each of [config, imageConfig, ...layers]) if (each !== undefined) named.add(each.digest);
        open.push(...manifests.map((manifest) => manifest.digest));
      } catch {
        // Not a manifest: it leads to nothing.
      }
    }
  }

  #index(): LayoutIndex {
    const path = join(this.path, 'index.json');
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return new LayoutIndex(undefined);
    if (size > MAX_INDEX_BYTES)
      throw new CairnError(`${path} has ${size} bytes, at most ${MAX_INDEX_BYTES} are read`, {
        code: 'CORRUPT',
      });
    return new LayoutIndex(readFileSync(path, 'utf8'));
  }

  async #replace(name: string, text: string): Promise<void> {
    const path = join(this.path, name);
    if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
    const temporary = this.#temporary();
    try {
      const file = await open(temporary, 'wx');
      try {
        await writeTo(file, text, path);
        await file.sync();
      } finally {
        await file.close();
      }
      renameSync(temporary, path);
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  #file(digest: Digest): string {
    const { algorithm, hex } = parseDigest(digest);
    return join(this.path, 'blobs', algorithm, hex);
  }

  #lock(name: string): string {
    makeDirectories(join(this.path, LOCKS));
    return join(this.path, LOCKS, name);
  }

  #temporary(): string {
    const directory = join(this.path, UNFINISHED);
    makeDirectories(directory);
    if (!this.#tidied) removeAbandoned(directory);
    this.#tidied = true;
    return join(directory, temporaryName());
  }
}

/** Node does not say which file it was, and the disk is not the store's. */
async function writeTo(file: FileHandle, content: Uint8Array | string, path: string): Promise<void> {
  try {
    await file.writeFile(content);
  } catch (cause) {
    const full = /^(ENOSPC|EDQUOT)$/.test((cause as NodeJS.ErrnoException).code ?? '');
    throw new CairnError(`failed to write ${path}: ${messageOf(cause)}`, {
      code: 'UNAVAILABLE',
      hint: full ? 'free some space on the disk of the cache, or give another dest=' : undefined,
      cause,
    });
  }
}

async function entries(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch {
    return [];
  }
}
