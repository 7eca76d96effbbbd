/** What both versions of the cache service do. */
import type { UploadSource } from './upload_source.ts';

/** An entry that can be downloaded. */
export interface FoundEntry {
  key: string;
  /** Signed, and good for a while only. */
  url: string;
}

/** A key that nobody else can write to any more. It cannot be given back. */
export interface Reservation {
  key: string;
  /** Where the bytes go: a URL in v2, a number in v1. */
  place: string;
}

export interface CacheService {
  /**
   * The newest entry whose key begins with `prefix`, in the order of the token's scopes; undefined: there is none.
   * @throws CairnError
   */
  find(prefix: string, signal: AbortSignal | undefined): Promise<FoundEntry | undefined>;

  /**
   * Reserves a key; undefined: there is such an entry, or somebody else is about to write it.
   * @throws CairnError DENIED without write permission
   */
  reserve(key: string, signal: AbortSignal): Promise<Reservation | undefined>;

  /** Sends the bytes and completes the entry: from then on it can be found. @throws CairnError */
  fill(reservation: Reservation, source: UploadSource, signal: AbortSignal): Promise<void>;
}
