/**
 * File names as binary strings: one character per byte, so that names which are not UTF-8 survive, compare in
 * byte order as Go's strings do, and cost nothing while they are ASCII. Tar entries, directory walks and
 * overlay diffs use them throughout; they become a path for the kernel only here.
 */

/** `text` as a binary string of its UTF-8 bytes. */
export function toBinary(text: string): string {
  return isAscii(text) ? text : Buffer.from(text).toString('latin1');
}

/** What node:fs and the system calls take for a binary string. */
export function fsPath(binary: string): string | Buffer {
  return isAscii(binary) ? binary : Buffer.from(binary, 'latin1');
}

/** For messages: decoded as UTF-8, invalid bytes replaced. */
export function displayName(binary: string): string {
  return isAscii(binary) ? binary : Buffer.from(binary, 'latin1').toString();
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** The part before the last slash; empty at the top. */
export function parentOf(name: string): string {
  const slash = name.lastIndexOf('/');
  return slash === -1 ? '' : name.slice(0, slash);
}

/** The part after the last slash. */
export function baseOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}
