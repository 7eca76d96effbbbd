/** Every bound of the GitHub backend, by name. Times in milliseconds, sizes in bytes. */

/** BuildKit's default of `timeout`, which limits the time that it backs off for and nothing else. */
export const DEFAULT_TIMEOUT_MS = 10 * 60_000;

/** New entries that GitHub takes from one repository in {@link UPLOAD_WINDOW_MS}. */
export const UPLOADS_PER_WINDOW = 200;
export const UPLOAD_WINDOW_MS = 60_000;

/** Pauses after a 429 that does not say how long to wait; they double (BuildKit's go-actions-cache has the same). */
export const FIRST_THROTTLE_MS = 1000;
export const MAX_THROTTLE_MS = 90_000;

/** Requests about entries that run at once. */
export const PARALLEL_CALLS = 16;
/** Blobs up to this size are sent by one request, as they are read. */
export const WHOLE_BYTES = 32 * 1024 * 1024;
/** Larger ones in parts of this size; GitHub's own client sends parts of 32 MiB to v1, and of 64 MiB to v2. */
export const PART_BYTES = 16 * 1024 * 1024;
/** Parts of all blobs that are in memory, and on the way, at once. */
export const PARTS_AT_ONCE = 6;

/** How long we wait for those who have reserved what we need. */
export interface Waits {
  /** For the next number of an index; BuildKit has the same. */
  index: number;
  /** For blobs. */
  blobs: number;
  /** The longest pause between two questions; the first one is an eighth of it. */
  poll: number;
}
export const DEFAULT_WAITS: Waits = { index: 15_000, blobs: 30_000, poll: 2000 };
/** Numbers of an index that are tried in one publish. */
export const MAX_INDEX_NUMBERS = 100;

/** Longest key that GitHub takes, in characters. */
export const MAX_KEY_LENGTH = 512;
/** Answers of the service: a key and a URL. */
export const MAX_ANSWER_BYTES = 64 * 1024;
/** One page of the REST API's listing. */
export const MAX_LISTING_BYTES = 4 * 1024 * 1024;
export const LISTING_PAGE = 100;
/** Pages of one listing: GitHub keeps at most some thousand entries. */
export const MAX_LISTING_PAGES = 200;
/** How much of an error's body is read, and how much of it is shown. */
export const MAX_ERROR_BYTES = 16 * 1024;
export const MAX_ERROR_TEXT = 500;
