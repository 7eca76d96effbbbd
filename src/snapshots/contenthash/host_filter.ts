/**
 * Which files of a client's directory a local source shows: fsutil's include, exclude and follow rules, as a
 * client of BuildKit v0.32.2 applies them before it sends anything (github.com/tonistiigi/fsutil, filter.go and
 * followlinks.go).
 */
import { lstatSync, readdirSync } from 'node:fs';
import type { HostTree } from '../contract.ts';
import { base, clean, dir, join } from '../patterns/go_path.ts';
import { containsWildcards, match } from '../patterns/match.ts';
import {
  optionalMatcher,
  type PatternMatcher,
  type MatchInfo,
  type Pattern,
} from '../patterns/pattern_matcher.ts';
import { toBinary, fsPath, displayName } from '../names.ts';
import { readLink } from './directory.ts';

/** Characters that make a pattern more than the start of a path. */
const SPECIAL = /[*[\]?^\\]/;

/** What both matchers said of a directory; the argument for its entries. */
export interface FilterState {
  include: MatchInfo | undefined;
  exclude: MatchInfo | undefined;
}

export interface Verdict {
  /** The path itself is part of the tree. */
  included: boolean;
  /** Nothing below can be part of it. */
  skipBelow: boolean;
  state: FilterState;
}

export class HostFilter {
  readonly #include: PatternMatcher | undefined;
  readonly #exclude: PatternMatcher | undefined;
  readonly #includesArePrefixes: boolean;
  readonly #exceptionsArePrefixes: boolean;

  /** @throws CairnError USAGE `invalid includepatterns: …` */
  constructor(tree: HostTree) {
    const followed = followLinks(toBinary(tree.root), tree.followPaths);
    const includes =
      followed === undefined
        ? [...tree.includePatterns]
        : (withoutNested([...tree.includePatterns, ...followed]) ?? []);
    this.#include = optionalMatcher('includepatterns', includes);
    this.#exclude = optionalMatcher('excludepatterns', tree.excludePatterns);
    this.#includesArePrefixes = !(this.#include?.patterns ?? []).some(
      (pattern) => !pattern.exclusion && SPECIAL.test(prefixOf(pattern)),
    );
    this.#exceptionsArePrefixes = !(this.#exclude?.patterns ?? []).some(
      (pattern) => pattern.exclusion && SPECIAL.test(prefixOf(pattern)),
    );
  }

  /** Whether everything is shown. */
  get isOpen(): boolean {
    return this.#include === undefined && this.#exclude === undefined;
  }

  /** @param path relative, as text; `parent` undefined: an entry of the root */
  test(path: string, isDirectory: boolean, parent: FilterState | undefined): Verdict {
    const state: FilterState = { include: undefined, exclude: undefined };
    let included = true;
    if (this.#include !== undefined) {
      const { matched, info } = this.#include.matchesUsingParentResults(path, parent?.include);
      state.include = info;
      if (!matched) {
        const wanted = this.#include.patterns.filter((pattern) => !pattern.exclusion);
        if (isDirectory && this.#includesArePrefixes && !leadsTo(path, wanted)) {
          return { included: false, skipBelow: true, state };
        }
        included = false;
      }
    }
    if (this.#exclude !== undefined) {
      const { matched, info } = this.#exclude.matchesUsingParentResults(path, parent?.exclude);
      state.exclude = info;
      if (matched) {
        const exceptions = this.#exclude.patterns.filter((pattern) => pattern.exclusion);
        if (isDirectory && this.#exceptionsArePrefixes && !leadsTo(path, exceptions)) {
          return { included: false, skipBelow: true, state };
        }
        included = false;
      }
    }
    return { included, skipBelow: false, state };
  }
}

/** A pattern without one glob at its end. */
function prefixOf(pattern: Pattern): string {
  return pattern.text.replace(/\/\*\*$/, '').replace(/\/\*$/, '');
}

function leadsTo(directory: string, patterns: readonly Pattern[]): boolean {
  return patterns.some((pattern) => `${prefixOf(pattern)}/`.startsWith(`${directory}/`));
}

/** Without paths below one that came just before; undefined when the root is among them. */
function withoutNested(paths: readonly string[]): string[] | undefined {
  const out: string[] = [];
  let last = '';
  for (const path of paths) {
    if (path === '.') return undefined;
    if (path.startsWith(`${last}/`)) continue;
    out.push(path);
    last = path;
  }
  return out;
}

/** The paths, and what the symlinks on their way lead to, as include patterns; undefined: no restriction. */
function followLinks(root: string, paths: readonly string[]): string[] | undefined {
  if (paths.length === 0) return undefined;
  const resolved = new Set<string>();
  for (const path of paths) follow(root, path, resolved);
  return withoutNested([...resolved].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}

function follow(root: string, path: string, resolved: Set<string>): void {
  let rest = join('.', path);
  let current = '.';
  for (;;) {
    const slash = rest.indexOf('/');
    current = join(current, slash === -1 ? rest : rest.slice(0, slash));
    rest = slash === -1 ? '' : rest.slice(slash + 1);
    const targets = linkTargets(root, current);
    if ((rest === '' || targets !== undefined) && resolved.has(current)) return;
    if (targets !== undefined || rest === '') resolved.add(current);
    for (const target of targets ?? []) follow(root, join(target, rest), resolved);
    if (targets !== undefined || rest === '') return;
  }
}

/** Where a symlink, or the symlinks that a wildcard matches, lead; undefined: there is none. */
function linkTargets(root: string, path: string): string[] | undefined {
  const name = base(path);
  if (!containsWildcards(name)) {
    const target = linkTarget(root, path);
    return target === undefined ? undefined : [target];
  }
  const parent = dir(path);
  const targets = entriesOf(`${root}/${toBinary(parent)}`).flatMap((entry) => {
    const found = matchesName(name, entry) ? linkTarget(root, join(parent, entry)) : undefined;
    return found === undefined ? [] : [found];
  });
  return targets.length === 0 ? undefined : targets;
}

/** In this one place a malformed pattern matches nothing. */
function matchesName(pattern: string, name: string): boolean {
  try {
    return match(toBinary(pattern), toBinary(name));
  } catch {
    return false;
  }
}

function entriesOf(directory: string): string[] {
  try {
    // A wildcard below a link matches nothing: links before it were resolved when they were met.
    if (!lstatSync(fsPath(directory)).isDirectory()) return [];
    return readdirSync(fsPath(directory), { encoding: 'latin1' }).sort().map(displayName);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

function linkTarget(root: string, path: string): string | undefined {
  if (path === '.' || path === '/') return undefined;
  const full = `${root}/${toBinary(path)}`;
  try {
    if (!lstatSync(fsPath(full)).isSymbolicLink()) return undefined;
    const link = clean(displayName(readLink(full)));
    return link.startsWith('/') ? link : join('/', dir(path), link);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** The path is not there, or went away while it was read. */
export function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
