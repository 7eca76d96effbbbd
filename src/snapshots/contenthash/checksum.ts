/**
 * Content digests: what a path, a wildcard or a filtered directory of a tree hashes to. The rules are those of
 * contenthash.Checksum in BuildKit v0.32.2, cache/contenthash.
 */
import { createHash } from 'node:crypto';
import type { Digest } from '../../content/contract.ts';
import { base, join } from '../patterns/go_path.ts';
import { containsWildcards, match } from '../patterns/match.ts';
import { optionalMatcher, type PatternMatcher, type MatchInfo } from '../patterns/pattern_matcher.ts';
import { toBinary, displayName } from '../names.ts';
import { finish } from './file_header.ts';
import { keyPath, notFound, type TreeIndex, type TreeNode } from './tree_index.ts';

/** One question about a tree. Texts are UTF-8. */
export interface ChecksumQuery {
  path: string;
  /** Follow a symlink in the last element (those before it always are). */
  followLinks?: boolean;
  /** `path` is a pattern. */
  wildcard?: boolean;
  includePatterns?: readonly string[];
  excludePatterns?: readonly string[];
  /** Absolute prefixes of which each must be met by an included path. */
  requiredPaths?: readonly string[];
}

interface Included {
  /** As the query spells it, binary string; empty for the root. */
  path: string;
  digest: Digest;
  isLink: boolean;
  followLinks: boolean;
}

/**
 * The digest of what a query selects.
 * @throws CairnError NOT_FOUND `"/path": not found`; USAGE for malformed patterns; SOLVE `too many links`
 */
export function checksum(tree: TreeIndex, query: ChecksumQuery): Digest {
  const path = toBinary(query.path);
  const followLinks = query.followLinks ?? false;
  if (query.wildcard !== true && !query.includePatterns?.length && !query.excludePatterns?.length) {
    return tree.lookup(keyPath(path), followLinks, true);
  }
  const { prefix, included } = new Selection(tree, query, path).run();
  for (const entry of included) {
    if (entry.followLinks && entry.isLink) entry.digest = tree.lookup(keyPath(entry.path), followLinks);
  }
  const [only] = included;
  if (only !== undefined && included.length === 1 && base(path) === base(only.path)) return only.digest;
  const hash = createHash('sha256');
  for (const entry of included) {
    const rest = entry.path.startsWith(prefix) ? entry.path.slice(prefix.length) : entry.path;
    hash.update(rest === '' ? '\0' : rest.replaceAll('/', '\0'), 'latin1').update(entry.digest);
  }
  return finish(hash);
}

/** A directory on the way to the current path. */
interface Parent {
  path: string;
  entry: Included;
  added: boolean;
  include: MatchInfo | undefined;
  exclude: MatchInfo | undefined;
}

/** The paths that wildcards and patterns select, in the order in which they are hashed. */
class Selection {
  readonly #tree: TreeIndex;
  readonly #query: ChecksumQuery;
  readonly #path: string;
  readonly #endsInSlash: boolean;
  readonly #include: PatternMatcher | undefined;
  readonly #exclude: PatternMatcher | undefined;
  readonly #included: Included[] = [];
  readonly #parents: Parent[] = [];
  /** The last path that matched the wildcard: patterns apply to what follows it. */
  #matched = '';

  constructor(tree: TreeIndex, query: ChecksumQuery, path: string) {
    this.#tree = tree;
    this.#query = query;
    this.#path = keyPath(path);
    this.#endsInSlash = path.endsWith('/');
    this.#include = optionalMatcher('includepatterns', query.includePatterns);
    this.#exclude = optionalMatcher('excludepatterns', query.excludePatterns);
  }

  run(): { prefix: string; included: Included[] } {
    const prefix = this.#query.wildcard === true ? wildcardPrefix(this.#path) : this.#path;
    // With wildcards behind it the prefix is a directory to look into; otherwise it is what is selected.
    const followTrailing = this.#query.wildcard === true && prefix !== this.#path;
    const start = this.#tree.resolve(prefix, prefix !== '' && followTrailing);
    if (start.node !== undefined) {
      this.#visit(start.path, prefix, start.node);
      // BuildKit takes the prefix as it is written and tries all that comes behind it, where nothing else can match
      // unless the prefix has escapes.
      if (this.#query.wildcard === true && prefix.includes('\\')) this.#visitBehind(start.path, prefix);
    }
    for (const required of this.#query.requiredPaths ?? []) {
      const wanted = toBinary(required);
      if (!this.#included.some((entry) => entry.path.startsWith(wanted))) throw notFound(wanted);
    }
    return { prefix, included: this.#included };
  }

  /** `real` is where the node lies, `shown` how the query's spelling reaches it. */
  #visit(real: string, shown: string, node: TreeNode): void {
    if (node.kind !== 'dir') {
      this.#consider(real, shown, node);
      return;
    }
    // A directory is met twice: its whole, which is never selected but may match the wildcard, and its header.
    this.#matches(shown);
    const parent = shown === this.#path && this.#endsInSlash ? undefined : this.#consider(real, shown, node);
    if (parent !== undefined) this.#parents.push(parent);
    for (const [name, child] of this.#tree.children(real, node)) {
      this.#visit(`${real}/${name}`, `${shown}/${name}`, child);
    }
    if (parent !== undefined) this.#parents.pop();
  }

  /** All nodes of the tree that come behind a path and what is below it. */
  #visitBehind(path: string, prefix: string): void {
    for (let at = path; at !== '';) {
      const slash = at.lastIndexOf('/');
      const [parent, last] = [at.slice(0, slash), at.slice(slash + 1)];
      const directory = this.#tree.resolve(parent, false).node;
      if (directory === undefined) return;
      for (const [name, node] of this.#tree.children(parent, directory)) {
        if (name <= last) continue;
        const real = `${parent}/${name}`;
        this.#visit(real, real.startsWith(path) ? prefix + real.slice(path.length) : real, node);
      }
      at = parent;
    }
  }

  /** Whether a path matches the wildcard or lies below one that does. */
  #matches(shown: string): boolean {
    if (this.#query.wildcard !== true || this.#path === '') return true;
    if (this.#matched !== '' && shown.startsWith(`${this.#matched}/`)) return true;
    if (!match(this.#path, shown)) return false;
    this.#matched = shown;
    return true;
  }

  #consider(real: string, shown: string, node: TreeNode): Parent | undefined {
    if (!this.#matches(shown)) return undefined;
    const outer = this.#parents.at(-1);
    const base = this.#query.wildcard === true ? this.#matched : this.#path;
    const candidate = displayName(below(shown, base));
    let include: MatchInfo | undefined;
    let exclude: MatchInfo | undefined;
    let selected = true;
    if (this.#include !== undefined) {
      const result = this.#include.matchesUsingParentResults(candidate, outer?.include);
      include = result.info;
      selected = result.matched;
    }
    if (selected && this.#exclude !== undefined) {
      const result = this.#exclude.matchesUsingParentResults(candidate, outer?.exclude);
      exclude = result.info;
      selected = !result.matched;
    }
    if (!selected && node.kind !== 'dir') return undefined;
    const entry: Included = {
      path: shown,
      digest: this.#tree.header(real, node),
      isLink: node.kind === 'symlink',
      followLinks: outer === undefined && this.#query.followLinks === true,
    };
    if (selected) {
      for (const parent of this.#parents) {
        if (!parent.added) this.#included.push(parent.entry);
        parent.added = true;
      }
      this.#included.push(entry);
    }
    return { path: shown, entry, added: selected, include, exclude };
  }
}

/** What follows `parent/` in a path; empty for the parent itself, the whole path when it lies elsewhere. */
function below(path: string, parent: string): string {
  const withSlash = `${path}/`;
  const rest = withSlash.startsWith(`${parent}/`) ? withSlash.slice(parent.length + 1) : withSlash;
  return rest.endsWith('/') ? rest.slice(0, -1) : rest;
}

/** The elements of a path before the first one with a wildcard; empty when there are none. */
function wildcardPrefix(path: string): string {
  const parts = path.split('/').slice(1);
  const first = parts.findIndex(containsWildcards);
  return keyPath(join('/', ...(first === -1 ? parts : parts.slice(0, first))));
}
