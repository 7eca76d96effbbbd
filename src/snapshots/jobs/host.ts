/** Job that copies what a source shows of a client's directory. */
import { chmodSync, linkSync, mkdirSync } from 'node:fs';
import type { JobContext } from '../../platform/contract.ts';
import { copyFile } from '../apply/copy_file.ts';
import { readXattrs, setOwner, setTime, setXattrs } from '../apply/metadata.ts';
import { isDirectory, lstat, S_IFMT, S_IFSOCK, type FileInfo } from '../changes/file_info.ts';
import { walkHost } from '../contenthash/host_walk.ts';
import type { TreeNode } from '../contenthash/tree_index.ts';
import type { HostTree } from '../contract.ts';
import { fsPath, toBinary } from '../names.ts';
import { stopIfAborted } from './tar.ts';

/** Copies into the existing directory `target`. Owners become 0:0; files that vanish meanwhile are left out. */
export function copyHost({ tree, target }: { tree: HostTree; target: string }, context: JobContext): void {
  const root = toBinary(tree.root);
  const to = toBinary(target);
  const links = new Map<bigint, string>();
  const directory = (node: TreeNode, path: string): void => {
    for (const [name, child] of node.children ?? []) {
      stopIfAborted(context);
      const childPath = `${path}/${name}`;
      const info = lstat(root + childPath);
      if (info === undefined || (info.mode & S_IFMT) === S_IFSOCK) continue;
      const owned: FileInfo = { ...info, uid: 0, gid: 0 };
      if (isDirectory(info)) {
        mkdirSync(fsPath(to + childPath), 0o700);
        directory(child, childPath);
        setOwner(to + childPath, 0, 0, childPath);
        setXattrs(to + childPath, readXattrs(root + childPath));
        chmodSync(fsPath(to + childPath), info.mode & 0o7777);
        setTime(to + childPath, info);
        continue;
      }
      const first = info.nlink > 1 ? links.get(info.ino) : undefined;
      if (first !== undefined) linkSync(fsPath(first), fsPath(to + childPath));
      else copyFile(root + childPath, owned, to + childPath);
      if (info.nlink > 1) links.set(info.ino, to + childPath);
    }
  };
  directory(walkHost(tree), '');
}
