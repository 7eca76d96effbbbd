/** The files of a client's directory as a tree: one walk over names, nothing is opened and nothing is stat'ed. */
import { readdirSync, type Dirent } from 'node:fs';
import { CairnError } from '../../errors/error.ts';
import type { HostTree } from '../contract.ts';
import { toBinary, fsPath, displayName } from '../names.ts';
import { HostFilter, isGone, type FilterState } from './host_filter.ts';
import { readLink } from './directory.ts';
import { newNode, type TreeNode } from './tree_index.ts';

/** More levels than any real tree has, and few enough for the stack. */
const MAX_DEPTH = 1000;

/**
 * The tree that the source shows. A directory that no pattern selects is part of it when something below is.
 * @throws CairnError DENIED for a directory that cannot be read and is not excluded; USAGE for malformed patterns
 */
export function walkHost(tree: HostTree): TreeNode {
  const root = newNode('dir');
  root.children = new Walk(toBinary(tree.root), new HostFilter(tree)).directory('', undefined, false, 0);
  return root;
}

class Walk {
  readonly #root: string;
  readonly #filter: HostFilter;
  readonly #open: boolean;

  constructor(root: string, filter: HostFilter) {
    this.#root = root;
    this.#filter = filter;
    this.#open = filter.isOpen;
  }

  /** `path` is empty or starts with a slash; `optional`: nothing selects the directory itself. */
  directory(
    path: string,
    state: FilterState | undefined,
    optional: boolean,
    depth: number,
  ): Map<string, TreeNode> {
    const children = new Map<string, TreeNode>();
    for (const entry of this.#entries(path, optional, depth)) {
      const child = this.#entry(`${path}/${entry.name}`, entry, state, depth);
      if (child !== undefined) children.set(entry.name, child);
    }
    return children;
  }

  #entries(path: string, optional: boolean, depth: number): Dirent[] {
    if (depth > MAX_DEPTH) {
      throw new CairnError(`${displayName(this.#root + path)} is nested too deeply`, {
        code: 'UNSUPPORTED',
        hint: `Directories may be ${MAX_DEPTH} levels deep; leave this one out with a .dockerignore file.`,
      });
    }
    const directory = fsPath(this.#root + path);
    try {
      // The type of names follows the encoding only in newer declarations; latin1 gives strings.
      const entries = readdirSync(directory, { encoding: 'latin1', withFileTypes: true });
      return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (error) {
      if (isGone(error)) return [];
      const denied = (error as NodeJS.ErrnoException).code === 'EACCES';
      if (denied && optional) return [];
      if (!denied) throw error;
      throw new CairnError(`error from sender: open ${displayName(this.#root + path)}: permission denied`, {
        code: 'DENIED',
        hint: 'Make the directory readable, or leave it out with a .dockerignore file.',
        cause: error,
      });
    }
  }

  #entry(path: string, entry: Dirent, parent: FilterState | undefined, depth: number): TreeNode | undefined {
    const isDirectory = entry.isDirectory();
    const verdict = this.#open
      ? { included: true, skipBelow: false, state: undefined }
      : this.#filter.test(displayName(path.slice(1)), isDirectory, parent);
    if (verdict.skipBelow) return undefined;
    if (isDirectory) {
      const node = newNode('dir');
      node.children = this.directory(path, verdict.state, !verdict.included, depth + 1);
      return verdict.included || node.children.size > 0 ? node : undefined;
    }
    if (!verdict.included) return undefined;
    if (!entry.isSymbolicLink()) return newNode('file');
    try {
      return newNode('symlink', readLink(this.#root + path));
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }
}
