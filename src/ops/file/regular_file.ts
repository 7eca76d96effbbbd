/** Copies of regular files with all of their metadata, as file actions make them. */
import { fchmodSync, fchownSync } from 'node:fs';
import { futimesNs, hasXattrs, lgetxattr, llistxattr, lsetxattr } from '../../platform/syscalls_files.ts';
import { copyRegular } from '../../snapshots/apply/copy_file.ts';
import { fsPath } from '../../snapshots/names.ts';
import { doing } from './failure.ts';
import type { Metadata, SourceFile } from './target.ts';
import { isCopiedXattr } from './xattr_names.ts';

/** What a copy has to know of a regular file. */
export interface RegularSource extends Pick<SourceFile, 'path' | 'fromClient'> {
  info: Pick<SourceFile['info'], 'size' | 'allocated'>;
}

/**
 * Content and metadata while both files are open: no path is looked up again.
 * @param to full path, a binary string; nothing is there
 */
export function writeRegular(source: RegularSource, to: string, { uid, gid, mode, time }: Metadata): void {
  let attributes = false;
  const finish = (target: number, opened: number): void =>
    doing('failed to copy file info', () => {
      fchownSync(target, uid, gid);
      fchmodSync(target, mode);
      attributes = hasXattrs(opened);
      futimesNs(target, time, time);
    });
  doing('failed to copy files', () => copyRegular(source.path, source.info, to, finish));
  if (attributes) copyXattrs(source, to);
}

/** Both as full paths. What the target cannot hold is left out. */
export function copyXattrs(source: Pick<SourceFile, 'path' | 'fromClient'>, to: string): void {
  const from = fsPath(source.path);
  try {
    for (const name of llistxattr(from)) {
      if (!isCopiedXattr(name, source)) continue;
      const value = lgetxattr(from, name);
      if (value !== undefined) lsetxattr(fsPath(to), name, value);
    }
  } catch {
    // BuildKit logs it and goes on.
  }
}
