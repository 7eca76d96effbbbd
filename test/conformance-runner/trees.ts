/** Makes the file trees of the contenthash set for real. Needs root: owners, devices, trusted attributes. */
import { chmodSync, linkSync, lutimesSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lchown, lsetxattr, mknod } from '../../src/platform/syscalls_files.ts';

/** One path of a tree, as `tree[]` of contenthash/cases.json describes it. */
export interface TreeEntry {
  path: string;
  type: 'file' | 'dir' | 'symlink' | 'hardlink' | 'fifo' | 'socket' | 'char' | 'block';
  mode?: string;
  uid?: number;
  gid?: number;
  mtime?: number;
  content?: string;
  contentBase64?: string;
  contentRepeat?: number;
  target?: string;
  major?: number;
  minor?: number;
  xattrs?: Record<string, string>;
}

const TYPE_BITS = { fifo: 0o010000, char: 0o020000, block: 0o060000, socket: 0o140000 };

/** Makes `entries` below the existing directory `root`; times are set at the end, deepest entries first. */
export function makeTree(root: string, entries: readonly TreeEntry[], rootEntry?: TreeEntry): void {
  chmodSync(root, 0o755);
  const all = rootEntry === undefined ? entries : [rootEntry, ...entries];
  for (const entry of all) makeEntry(root, entry);
  for (const entry of all.toReversed()) {
    if (entry.mtime !== undefined) lutimesSync(join(root, entry.path), entry.mtime, entry.mtime);
  }
}

function makeEntry(root: string, entry: TreeEntry): void {
  const path = join(root, entry.path);
  if (entry.type === 'hardlink') {
    linkSync(join(root, entry.target ?? ''), path);
    return;
  }
  if (entry.type === 'file') {
    const once = Buffer.from(
      entry.contentBase64 ?? entry.content ?? '',
      entry.contentBase64 === undefined ? 'utf8' : 'base64',
    );
    writeFileSync(path, Buffer.concat(Array.from({ length: entry.contentRepeat ?? 1 }, () => once)));
  } else if (entry.type === 'dir') mkdirSync(path, { recursive: true });
  else if (entry.type === 'symlink') symlinkSync(entry.target ?? '', path);
  else mknod(path, TYPE_BITS[entry.type] | 0o644, entry.major ?? 0, entry.minor ?? 0);
  lchown(path, entry.uid ?? 0, entry.gid ?? 0);
  for (const [name, value] of Object.entries(entry.xattrs ?? {})) {
    lsetxattr(path, name, Buffer.from(value, 'base64'));
  }
  if (entry.type !== 'symlink') {
    chmodSync(path, Number.parseInt(entry.mode ?? (entry.type === 'dir' ? '0755' : '0644'), 8));
  }
}
