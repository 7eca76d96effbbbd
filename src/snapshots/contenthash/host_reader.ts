/** A client's directory as a tree to be hashed: known digests by stat alone, unknown ones collected for later. */
import { lstatSync, type BigIntStats } from 'node:fs';
import type { Digest } from '../../content/contract.ts';
import { digestOf } from '../../llb/digest.ts';
import type { HostTree } from '../contract.ts';
import { toBinary, fsPath } from '../names.ts';
import { finish, hashHeader } from './file_header.ts';
import { isGone } from './host_filter.ts';
import { OWN_NAME, type HostMemory } from './host_memory.ts';
import { walkHost } from './host_walk.ts';
import { TreeIndex, type TreeNode, type TreeReader } from './tree_index.ts';

/** A file whose digest is not known. */
export interface UnknownFile {
  /** Relative to the root, binary string: empty or with a slash in front. */
  path: string;
  /** In bytes. */
  size: number;
}

/**
 * The root's header of a local source: BuildKit's client never sends the root itself, so that its key is the
 * digest of nothing.
 */
const ROOT_HEADER = digestOf('');

/** Where nothing at all is sent, BuildKit hashes the root of the layer that it has made for the files. */
const EMPTY_ROOT_HEADER = finish(
  hashHeader({
    type: 'dir',
    mode: 0o755,
    uid: 0,
    gid: 0,
    size: 0,
    link: '',
    major: 0,
    minor: 0,
    xattrs: [],
  }),
);

export class HostReader implements TreeReader {
  readonly index: TreeIndex;
  readonly #root: string;
  readonly #memory: HostMemory;
  /** Files that a query needed and whose digests are to be computed. */
  unknown: UnknownFile[] = [];
  /** Digests computed for this tree, by path. */
  readonly #computed = new Map<string, Digest>();

  constructor(tree: HostTree, memory: HostMemory) {
    this.#root = toBinary(tree.root);
    this.#memory = memory;
    this.index = new TreeIndex(this, walkHost(tree));
  }

  readDir(): Iterable<readonly [string, TreeNode]> {
    return [];
  }

  digest(path: string, node: TreeNode): Digest | undefined {
    if (path === '') return node.children?.size === 0 ? EMPTY_ROOT_HEADER : ROOT_HEADER;
    const computed = this.#computed.get(path);
    if (computed !== undefined) return computed;
    let stats: BigIntStats;
    try {
      stats = lstatSync(fsPath(this.#root + path), { bigint: true });
    } catch (error) {
      if (!isGone(error)) throw error;
      // Let the job that reads it report what is wrong.
      this.unknown.push({ path, size: 0 });
      return undefined;
    }
    const [directory, name] = this.#place(path, node);
    const known = this.#memory.get(directory, name, stats);
    if (known === undefined) this.unknown.push({ path, size: stats.isFile() ? Number(stats.size) : 0 });
    return known;
  }

  /** Takes in what a job computed. */
  learn(path: string, digest: Digest): void {
    this.#computed.set(path, digest);
  }

  /** Row and name of a path in the memory. */
  placeOf(path: string): [directory: string, name: string] {
    return this.#place(path, this.index.resolve(path, false).node);
  }

  #place(path: string, node: TreeNode | undefined): [directory: string, name: string] {
    if (node?.kind === 'dir') return [this.#root + path, OWN_NAME];
    const slash = path.lastIndexOf('/');
    return [this.#root + path.slice(0, slash), path.slice(slash + 1)];
  }
}
