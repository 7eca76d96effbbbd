/** Telling a downloaded context that is an archive from one that is a Dockerfile. */

const MAGIC = [
  [0x42, 0x5a, 0x68], // bzip2
  [0x1f, 0x8b, 0x08], // gzip
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], // xz
];
const BLOCK = 512;
const CHECKSUM = { start: 148, end: 156 };
const TYPE_FLAG = 156;
/** Tar entries that only describe the next one, which lies beyond the bytes looked at. */
const PREFIX_ENTRIES = new Set(['x', 'L', 'K']);

/** Bytes of the file that {@link isArchive} wants to see. */
export const ARCHIVE_HEADER_SIZE = 1024;

/**
 * Whether a file that starts with `header` is a compressed file or a tar, by BuildKit's rule (v0.32.2, package
 * frontend/dockerui), by which a tar that starts with a PAX or GNU extension entry is none.
 */
export function isArchive(header: Uint8Array): boolean {
  return MAGIC.some((magic) => magic.every((byte, i) => header[i] === byte)) || isTarHeader(header);
}

function isTarHeader(header: Uint8Array): boolean {
  if (header.length < BLOCK) return false;
  const block = header.subarray(0, BLOCK);
  if (PREFIX_ENTRIES.has(String.fromCharCode(block[TYPE_FLAG] ?? 0))) return false;
  const text = Buffer.from(block.subarray(CHECKSUM.start, CHECKSUM.end)).toString('latin1');
  const digits = /^[ \0]*([0-7]+)[ \0]*$/.exec(text)?.[1];
  if (digits === undefined) return false;
  const expected = Number.parseInt(digits, 8);
  let unsigned = 0;
  let signed = 0;
  for (const [i, byte] of block.entries()) {
    const counted = i >= CHECKSUM.start && i < CHECKSUM.end ? 0x20 : byte;
    unsigned += counted;
    signed += counted > 127 ? counted - 256 : counted;
  }
  return expected === unsigned || expected === signed;
}
