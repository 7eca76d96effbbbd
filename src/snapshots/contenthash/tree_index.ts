/** The tree that content digests are made from, read as far as queries need it. */
import { createHash } from 'node:crypto';
import type { Digest } from '../../content/contract.ts';
import { CairnError } from '../../errors/error.ts';
import { join } from '../patterns/go_path.ts';
import { goQuote } from '../../errors/go_quote.ts';
import { displayName } from '../names.ts';
import { finish } from './file_header.ts';

export type NodeKind = 'file' | 'dir' | 'symlink';

/** A path of the tree. Devices, fifos and sockets are files here; their header tells them apart. */
export interface TreeNode {
  readonly kind: NodeKind;
  /** Target of a symlink, as a binary string. */
  readonly link: string;
  /** Digest of a file or symlink, or of a directory's own header. */
  digest: Digest | undefined;
  /** Digest of a directory with everything below it. */
  contents: Digest | undefined;
  /** By name (a binary string), in byte order; undefined: not read yet. */
  children: Map<string, TreeNode> | undefined;
}

/** Where a tree's nodes and digests come from. Paths are binary strings: empty for the root, else `/a/b`. */
export interface TreeReader {
  /** Entries of a directory, in any order. */
  readDir(path: string): Iterable<readonly [string, TreeNode]>;
  /** Digest of a file, a symlink or a directory's header; undefined: not known yet, see {@link TreeIndex}. */
  digest(path: string, node: TreeNode): Digest | undefined;
  /** The error for a path that goes through something that is no directory, where that is an error. */
  notDirectory?(path: string): Error;
}

/** As many links as BuildKit follows for one path. */
const MAX_LINKS = 255;

/** Stands in for digests that the reader does not know yet. */
const UNKNOWN: Digest = 'sha256:';

export function newNode(kind: NodeKind, link = ''): TreeNode {
  return { kind, link, digest: undefined, contents: undefined, children: undefined };
}

/**
 * Look-ups and digests in one tree. Where the reader answers undefined for a digest, everything goes on with a
 * placeholder and {@link incomplete} is set: the reader has noted what is missing, gets it, and the query runs
 * again. No decision depends on a digest, so the first run asks for all that the second one needs.
 */
export class TreeIndex {
  readonly root: TreeNode;
  readonly #reader: TreeReader;
  /** A digest was missing since this was last set to false. */
  incomplete = false;
  /** A digest or a directory was added since this was last set to false. */
  changed = false;

  constructor(reader: TreeReader, root: TreeNode = newNode('dir')) {
    this.#reader = reader;
    this.root = root;
  }

  children(path: string, node: TreeNode): Map<string, TreeNode> {
    if (node.children === undefined) {
      const entries = [...this.#reader.readDir(path)].sort(([a], [b]) => (a < b ? -1 : 1));
      node.children = new Map(entries);
      this.changed = true;
    }
    return node.children;
  }

  /**
   * The node at a clean absolute path (empty: the root) with the symlinks in its parents followed, and the last
   * one too when `followTrailing` is set; links stay inside the tree. `node` undefined: nothing there. With
   * `strict`, a path through a file is the reader's error, where it has one.
   * @throws CairnError SOLVE `too many links`
   */
  resolve(
    path: string,
    followTrailing: boolean,
    strict = false,
  ): { path: string; node: TreeNode | undefined } {
    let current = '';
    let node: TreeNode | undefined = this.root;
    let rest = path;
    let links = 0;
    while (rest !== '') {
      const slash = rest.indexOf('/');
      const part = slash === -1 ? rest : rest.slice(0, slash);
      rest = slash === -1 ? '' : rest.slice(slash + 1);
      const next = keyPath(join('/', current, part));
      if (next !== current) node = this.#step(current, next, node, strict);
      if (node?.kind !== 'symlink' || (!followTrailing && rest === '')) {
        current = next;
        continue;
      }
      links++;
      if (links > MAX_LINKS) throw new CairnError('too many links', { code: 'SOLVE' });
      rest = `${node.link}/${rest}`;
      if (node.link.startsWith('/')) current = '';
      node = this.#at(current);
    }
    return { path: current, node };
  }

  /** One step of a walk that has followed all links up to `current`. */
  #step(current: string, next: string, node: TreeNode | undefined, strict: boolean): TreeNode | undefined {
    if (!next.startsWith(`${current}/`)) return this.#at(next);
    if (node === undefined) return undefined;
    if (node.kind !== 'dir') {
      if (strict && this.#reader.notDirectory !== undefined) throw this.#reader.notDirectory(next);
      return undefined;
    }
    return this.children(current, node).get(next.slice(current.length + 1));
  }

  /** The node at a path without following anything. */
  #at(path: string): TreeNode | undefined {
    let node: TreeNode | undefined = this.root;
    let current = '';
    for (const name of path.split('/').slice(1)) {
      if (node?.kind !== 'dir') return undefined;
      node = this.children(current, node).get(name);
      current += `/${name}`;
    }
    return node;
  }

  /** Digest of one path: a file, a symlink itself, or a directory with everything below. */
  digest(path: string, node: TreeNode): Digest {
    return node.kind === 'dir' ? this.#contents(path, node) : this.header(path, node);
  }

  /** Digest of a file or symlink, or of a directory's header alone. */
  header(path: string, node: TreeNode): Digest {
    if (node.digest === undefined) {
      node.digest = this.#reader.digest(path, node);
      if (node.digest === undefined) this.incomplete = true;
      else this.changed = true;
    }
    return node.digest ?? UNKNOWN;
  }

  #contents(path: string, node: TreeNode): Digest {
    if (node.contents !== undefined) return node.contents;
    const outer = this.incomplete;
    this.incomplete = false;
    const hash = createHash('sha256').update('\0').update(this.header(path, node));
    for (const [name, child] of this.children(path, node)) {
      hash.update(`\0${name}`, 'latin1').update(this.digest(`${path}/${name}`, child));
    }
    const digest = finish(hash);
    if (!this.incomplete) {
      node.contents = digest;
      this.changed = true;
    }
    this.incomplete ||= outer;
    return digest;
  }

  /**
   * Digest of a path, links in its parents followed.
   * @throws CairnError NOT_FOUND `"/path": not found`
   */
  lookup(path: string, followTrailing: boolean, strict = false): Digest {
    const found = this.resolve(path, followTrailing, strict);
    if (found.node === undefined) throw notFound(path);
    return this.digest(found.path, found.node);
  }
}

/** A clean absolute path in the form of this module: empty for the root. */
export function keyPath(path: string): string {
  const cleaned = join('/', path);
  return cleaned === '/' ? '' : cleaned;
}

export function notFound(path: string): CairnError {
  return new CairnError(`${goQuote(displayName(path))}: not found`, { code: 'NOT_FOUND' });
}
