/**
 * Which of many objects a store of objects has, in as few requests as it allows: listings give a thousand names at
 * once, but a store that many projects share has more names than ours.
 */
import { PARALLEL_QUESTIONS } from './limits.ts';

export interface StoredObject {
  /** In bytes. */
  size: number;
  modified: Date;
}

/** A part of a listing, by name, in ascending order. */
export interface ListedPage {
  objects: ReadonlyMap<string, StoredObject>;
  /** The name up to which the page is complete; undefined: it reaches to the end. */
  until: string | undefined;
}

export interface ObjectQueries {
  /** A page of the listing that begins at `name` or before; undefined: we may not, or cannot, list. */
  list: (name: string) => Promise<ListedPage | undefined>;
  /** Asks for one object. */
  head: (name: string) => Promise<StoredObject | undefined>;
}

/** For fewer names a listing is not worth its price. */
const MIN_LISTED = 3;
/** Names that a page has to settle for another one to be asked for. */
const MIN_SETTLED = 4;

/** Those of `names` that are there. Names are ordered by their bytes, as services order their listings. */
export async function findObjects(
  names: readonly string[],
  { list, head }: ObjectQueries,
): Promise<Map<string, StoredObject>> {
  const found = new Map<string, StoredObject>();
  let left = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (let settled = MIN_SETTLED; left.length >= MIN_LISTED && settled >= MIN_SETTLED;) {
    const page = await list(left[0] ?? '');
    if (page === undefined) break;
    const end = page.until === undefined ? undefined : Buffer.from(page.until);
    const after = left.filter((name) => end !== undefined && Buffer.compare(Buffer.from(name), end) > 0);
    settled = left.length - after.length;
    for (const name of left.slice(0, settled)) {
      const object = page.objects.get(name);
      if (object !== undefined) found.set(name, object);
    }
    left = after;
  }
  const questions = left.values();
  const ask = async (): Promise<void> => {
    for (const name of questions) {
      const object = await head(name);
      if (object !== undefined) found.set(name, object);
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL_QUESTIONS, left.length) }, ask));
  return found;
}
