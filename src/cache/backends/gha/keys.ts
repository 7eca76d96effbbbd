/** Names of entries (BuildKit cache/remotecache/gha gha.go, and tonistiigi/go-actions-cache, v0.32.2). */
import { hash } from 'node:crypto';
import type { Digest } from '../../../content/contract.ts';

/**
 * What GitHub calls the version of an entry: a second part of its name, by which clients stay apart. BuildKit's is
 * the same for all entries.
 */
export const ENTRY_VERSION = hash('sha256', '|go-actionscache-1.0', 'hex');

export const BLOB_PREFIX = 'buildkit-blob-1-';

export function blobKey(digest: Digest): string {
  return `${BLOB_PREFIX}${digest}`;
}

/**
 * The name of a cache's index, without its number.
 *
 * @param scope the parameter: what a user calls the cache
 * @param tokenScope a git ref of the token: `refs/heads/main`
 */
export function indexKey(scope: string, tokenScope: string): string {
  return `index-${scope}-1-${hash('sha256', tokenScope, 'hex').slice(0, 8)}`;
}

/** Entries never change, so each publish makes a new one. */
export function numberedKey(key: string, number: number): string {
  return `${key}#${number}`;
}

/** The number of an entry of this index; undefined: it is none. */
export function numberOf(key: string, entry: string): number | undefined {
  const text = entry.startsWith(`${key}#`) ? entry.slice(key.length + 1) : '';
  const number = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(number) ? number : undefined;
}
