/** Build contexts of the golden data: modes, times, empty directories and symlinks come from the list of files. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** One entry of `contextFiles` in a case.json. */
export interface ContextFile {
  path: string;
  /** `file`, `dir` or `symlink`. */
  type: string;
  /** Octal. */
  mode?: string;
  /** Unix seconds, or RFC 3339. */
  mtime?: number | string;
  target?: string;
}

/** Makes the context at `root`; the bytes of regular files are those of the same paths below `bytes`. */
export function makeContext(root: string, bytes: string, files: readonly ContextFile[]): void {
  mkdirSync(root, { recursive: true });
  for (const { path, type, mode, target } of files) {
    const host = join(root, path);
    mkdirSync(dirname(host), { recursive: true });
    if (type === 'dir') mkdirSync(host, { recursive: true });
    else if (type === 'symlink') symlinkSync(target ?? '', host);
    else if (existsSync(join(bytes, path))) copyFileSync(join(bytes, path), host);
    else writeFileSync(host, '');
    if (type !== 'symlink' && mode !== undefined) chmodSync(host, Number.parseInt(mode, 8));
  }
  // Deepest last entries first, so that making a file does not change its directory's time again.
  for (const { path, mtime } of files.toReversed()) {
    if (mtime === undefined) continue;
    const time = typeof mtime === 'number' ? mtime : Date.parse(mtime) / 1000;
    lutimesSync(join(root, path), time, time);
  }
}
