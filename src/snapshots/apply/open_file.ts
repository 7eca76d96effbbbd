/** A regular file while it is unpacked: written with its holes, then given what its entry says. */
import { closeSync, fchmodSync, fchownSync, ftruncateSync, writeSync } from 'node:fs';
import type { TarEntry } from '../tar/entry.ts';
import { setOwner, setTime, setXattrs } from './metadata.ts';

/** Runs of this many zero bytes are not written: the file gets a hole. */
const HOLE_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(HOLE_BYTES);
/** Ids above it are not taken by Node's own call. */
const MAX_NODE_ID = 0x7fffffff;

function isHole(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === HOLE_BYTES && bytes[start] === 0 && ZEROS.compare(bytes, start, end) === 0;
}

export class OpenFile {
  readonly #fd: number;
  readonly #path: string;
  readonly #entry: TarEntry;
  /** Where the bytes written so far end. */
  #end = 0;

  /** @param path binary string; what `fd` was opened as, empty */
  constructor(fd: number, path: string, entry: TarEntry) {
    this.#fd = fd;
    this.#path = path;
    this.#entry = entry;
  }

  write(bytes: Uint8Array, position: number): void {
    for (let at = 0; at < bytes.length; at += HOLE_BYTES) {
      let end = Math.min(at + HOLE_BYTES, bytes.length);
      if (isHole(bytes, at, end)) continue;
      // Written in one go up to the next hole.
      while (end < bytes.length && !isHole(bytes, end, Math.min(end + HOLE_BYTES, bytes.length))) {
        end = Math.min(end + HOLE_BYTES, bytes.length);
      }
      for (let from = at; from < end;) from += writeSync(this.#fd, bytes, from, end - from, position + from);
      this.#end = position + end;
      at = end - HOLE_BYTES;
    }
  }

  /**
   * Sets size, owner, attributes, mode and time, and closes it.
   * @param made what a new file has without being asked for, from this process
   */
  finish(made: { owned: boolean; umask: number }): void {
    const { size, mode, xattrs } = this.#entry;
    try {
      if (this.#end < size) ftruncateSync(this.#fd, size);
      if (!made.owned) this.#own();
      if (xattrs !== undefined) setXattrs(this.#path, xattrs);
      if ((mode & (made.umask | 0o7000)) !== 0) fchmodSync(this.#fd, mode);
      setTime(this.#path, this.#entry, this.#fd);
    } finally {
      closeSync(this.#fd);
    }
  }

  abandon(): void {
    closeSync(this.#fd);
  }

  #own(): void {
    const { uid, gid, name } = this.#entry;
    if (uid <= MAX_NODE_ID && gid <= MAX_NODE_ID) {
      try {
        fchownSync(this.#fd, uid, gid);
        return;
      } catch {
        // Said again, with a message, below.
      }
    }
    setOwner(this.#path, uid, gid, name);
  }
}
