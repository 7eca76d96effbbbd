/**
 * Names of all entries over GitHub's REST API ("List GitHub Actions caches for a repository"): one request for a
 * hundred of them, with a token that may read the repository's actions.
 */
import { unreadable, type Caller } from './calls.ts';
import { ENTRY_VERSION } from './keys.ts';
import { LISTING_PAGE, MAX_LISTING_BYTES, MAX_LISTING_PAGES } from './limits.ts';

export interface ListingOptions {
  /** `https://api.github.com`, or an enterprise server's. */
  api: string;
  /** `owner/name` */
  repository: string;
  token: string;
}

/**
 * Keys of BuildKit's entries that begin with `prefix` and belong to one of the refs.
 * @throws CairnError
 */
export async function listKeys(
  caller: Caller,
  options: ListingOptions,
  prefix: string,
  refs: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const lists = await Promise.all(refs.map((ref) => listRef(caller, options, prefix, ref, signal)));
  return new Set(lists.flat());
}

async function listRef(
  caller: Caller,
  { api, repository, token }: ListingOptions,
  prefix: string,
  ref: string,
  signal: AbortSignal,
): Promise<string[]> {
  const what = `list the entries of ${repository}`;
  const keys: string[] = [];
  for (let page = 1; page <= MAX_LISTING_PAGES; page++) {
    const query = new URLSearchParams({
      per_page: String(LISTING_PAGE),
      page: String(page),
      key: prefix,
      ref,
    }).toString();
    const { value } = await caller.json(
      {
        what,
        method: 'GET',
        url: `${api.replace(/\/+$/, '')}/repos/${repository}/actions/caches?${query}`,
        headers: {
          accept: 'application/vnd.github+json',
          authorization: `Bearer ${token}`,
          'x-github-api-version': '2022-11-28',
        },
        accept: [200],
        signal,
      },
      MAX_LISTING_BYTES,
    );
    const { total_count: total, actions_caches: entries } = value;
    if (typeof total !== 'number' || !Array.isArray(entries))
      throw unreadable(what, 'the answer is no listing');
    for (const entry of entries) {
      const { key, version } = (entry ?? {}) as Record<string, unknown>;
      if (typeof key === 'string' && version === ENTRY_VERSION) keys.push(key);
    }
    if (total <= page * LISTING_PAGE || entries.length === 0) break;
  }
  return keys;
}
