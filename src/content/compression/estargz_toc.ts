import { CairnError } from '../../errors/error.ts';
import { goJson } from '../../llb/go_json.ts';
import { digestOf } from '../digest.ts';
import type { Digest } from '../contract.ts';
import type { TarHeader } from './tar_headers.ts';
import { TAR_BLOCK_BYTES } from './tar_headers.ts';

/**
 * The table of contents of estargz blobs, its tar entry and the footer that leads to it (containerd
 * stargz-snapshotter, docs/estargz.md).
 */
export const TOC_NAME = 'stargz.index.json';
export const ANNOTATION_TOC_DIGEST = 'containerd.io/snapshot/stargz/toc.digest';
export const ANNOTATION_UNCOMPRESSED_SIZE = 'io.containers.estargz.uncompressed-size';
/** Bytes of the footer: an empty gzip member with an extra field. */
export const FOOTER_BYTES = 51;

/** An entry; fields in the order in which they are written, absent when zero. */
export interface TocEntry {
  name: string;
  type: string;
  size?: number;
  modtime?: string;
  linkName?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  userName?: string;
  groupName?: string;
  /** Of the gzip member that begins with this data, in the blob. */
  offset?: number;
  devMajor?: number;
  devMinor?: number;
  xattrs?: Record<string, string>;
  digest?: Digest;
  chunkOffset?: number;
  chunkSize?: number;
  chunkDigest?: Digest;
}

const TYPES: Readonly<Record<string, string>> = {
  '0': 'reg',
  '\0': 'reg',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'dir',
  '6': 'fifo',
};

/** Collects entries; user and group names are given once for each id, as the format allows. */
export class TableOfContents {
  readonly entries: TocEntry[] = [];
  readonly #users = new Map<number, string>();
  readonly #groups = new Map<number, string>();

  /** @throws CairnError CORRUPT for an entry that no table can have */
  add(header: TarHeader): TocEntry {
    const dir = header.name.endsWith('/') && header.typeflag === '\0';
    const type = dir ? 'dir' : TYPES[header.typeflag];
    if (type === undefined) {
      throw new CairnError(`unsupported tar entry ${JSON.stringify(header.typeflag)} in an estargz layer`, {
        code: 'CORRUPT',
      });
    }
    if (header.name.replace(/^\.?\/+/, '') === TOC_NAME) {
      throw new CairnError(`layer has a file ${TOC_NAME} already, which estargz needs for itself`, {
        code: 'UNSUPPORTED',
        hint: 'use another compression',
      });
    }
    const seconds = Math.round(header.mtime);
    const entry: TocEntry = { name: header.name, type };
    if (type === 'reg' && header.size > 0) entry.size = header.size;
    if (Math.floor(header.mtime) !== 0)
      entry.modtime = new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
    if (type === 'hardlink' || type === 'symlink') entry.linkName = header.linkname;
    if (header.mode !== 0) entry.mode = header.mode;
    if (header.uid !== 0) entry.uid = header.uid;
    if (header.gid !== 0) entry.gid = header.gid;
    const user = changed(this.#users, header.uid, header.uname);
    if (user !== undefined) entry.userName = user;
    const group = changed(this.#groups, header.gid, header.gname);
    if (group !== undefined) entry.groupName = group;
    if (type === 'char' || type === 'block') {
      if (header.devMajor !== 0) entry.devMajor = header.devMajor;
      if (header.devMinor !== 0) entry.devMinor = header.devMinor;
    }
    if (header.xattrs.size > 0) {
      const names = [...header.xattrs.keys()].sort();
      entry.xattrs = Object.fromEntries(
        names.map((name) => [name, header.xattrs.get(name)?.toString('base64') ?? '']),
      );
    }
    this.entries.push(entry);
    return entry;
  }

  /** The text of the table, and its digest. */
  finish(): { json: string; digest: Digest } {
    const entries = this.entries.map(inOrder);
    const json = goJson({ version: 1, entries: entries.length === 0 ? null : entries }, '\t');
    return { json, digest: digestOf(json) };
  }
}

const ORDER: readonly (keyof TocEntry)[] = [
  'name',
  'type',
  'size',
  'modtime',
  'linkName',
  'mode',
  'uid',
  'gid',
  'userName',
  'groupName',
  'offset',
  'devMajor',
  'devMinor',
  'xattrs',
  'digest',
  'chunkOffset',
  'chunkSize',
  'chunkDigest',
];

function inOrder(entry: TocEntry): Record<string, unknown> {
  return Object.fromEntries(ORDER.filter((key) => entry[key] !== undefined).map((key) => [key, entry[key]]));
}

function changed(last: Map<number, string>, id: number, name: string): string | undefined {
  if (name === '' || last.get(id) === name) return undefined;
  last.set(id, name);
  return name;
}

/** The table as a tar of its own: what follows the layer's tar in the uncompressed stream. */
export function tocTar(json: string): Buffer {
  const body = Buffer.from(json);
  const padded = Math.ceil(body.length / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
  const tar = Buffer.alloc(TAR_BLOCK_BYTES + padded + 2 * TAR_BLOCK_BYTES);
  const octal = (value: number, at: number, length: number): void => {
    tar.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  };
  tar.write(TOC_NAME, 0, 'latin1');
  for (const at of [100, 108, 116, 329, 337]) octal(0, at, 8);
  octal(body.length, 124, 12);
  octal(0, 136, 12);
  tar.write('        0', 148, 'latin1');
  tar.write('ustar\x0000', 257, 'latin1');
  let sum = 0;
  for (const byte of tar.subarray(0, TAR_BLOCK_BYTES)) sum += byte;
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  body.copy(tar, TAR_BLOCK_BYTES);
  return tar;
}

/** @param tocOffset where the gzip member of the table begins, in the blob */
export function footer(tocOffset: number): Buffer {
  const extra = `${tocOffset.toString(16).padStart(16, '0')}STARGZ`;
  const out = Buffer.alloc(FOOTER_BYTES);
  out.set([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff]);
  out.writeUInt16LE(extra.length + 4, 10);
  out.write('SG', 12, 'latin1');
  out.writeUInt16LE(extra.length, 14);
  out.write(extra, 16, 'latin1');
  // An empty stored block, the last; checksum and length are zero.
  out.set([1, 0, 0, 0xff, 0xff], 38);
  return out;
}

/** Where the table begins, from the last {@link FOOTER_BYTES} of a blob; undefined: not an estargz footer. */
export function parseFooter(bytes: Uint8Array): number | undefined {
  if (bytes.length !== FOOTER_BYTES) return undefined;
  const buffer = Buffer.from(bytes);
  const found = /^([0-9a-f]{16})STARGZ$/.exec(buffer.toString('latin1', 16, 38));
  const ours = buffer.toString('latin1', 12, 14) === 'SG' && buffer.readUInt16LE(14) === 22;
  return ours && found !== null ? Number.parseInt(found[1] ?? '', 16) : undefined;
}
