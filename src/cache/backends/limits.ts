/** Every bound of the cache backends, by name. Times in milliseconds, sizes in bytes. */

/** Finding and reading the manifest and config of one imported cache. */
export const DEFAULT_IMPORT_TIMEOUT_MS = 2 * 60_000;
/** How long an import waits for the next bytes of a layer, tries again included; a shorter timeout= counts, too. */
export const BLOB_PATIENCE_MS = 30_000;
/** One export, from the first blob to the manifest. */
export const DEFAULT_EXPORT_TIMEOUT_MS = 60 * 60_000;

/** Blobs of one export that are written at once, where a service says nothing else. */
export const PARALLEL_WRITES = 4;
/** As many as there are requests about metadata to one registry. */
export const REGISTRY_PARALLEL_WRITES = 8;
/** Questions about blobs that are asked at once, of services that cannot list. */
export const PARALLEL_QUESTIONS = 16;

/** Tries of one request, the first included, of clients that do not retry by themselves. */
export const MAX_ATTEMPTS = 5;
export const FIRST_BACKOFF_MS = 500;
export const MAX_BACKOFF_MS = 30_000;
/** The longest Retry-After that is obeyed; a service that asks for more has refused. */
export const MAX_RETRY_AFTER_MS = 2 * 60_000;

/** Conditional publishes that lost against another writer, until merge=true gives up. */
export const MAX_PUBLISH_ATTEMPTS = 12;
/** How long after a write without a condition it is looked whether it lasts: times what look and write took. */
export const LOOK_AGAIN_FACTOR = 4;
export const MIN_LOOK_AGAIN_MS = 100;
export const MAX_LOOK_AGAIN_MS = 5_000;

/** Manifest of a cache: an OCI index or image manifest, as registries bound them. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Config of a cache that is imported; the largest that is known has some MiB. */
export const MAX_CONFIG_BYTES = 128 * 1024 * 1024;
/** BuildKit v0.32.2 reads no manifest and no config that is larger (cache/remotecache, readBlob). */
export const BUILDKIT_MAX_BYTES = 1024 * 1024;
/** Image config that may carry an inline cache. */
export const MAX_IMAGE_CONFIG_BYTES = 32 * 1024 * 1024;
/** Manifests of an index that are looked into for inline caches. */
export const MAX_INLINE_MANIFESTS = 200;
/** index.json of a local cache. */
export const MAX_INDEX_BYTES = 4 * 1024 * 1024;
/** How long a reset of a local cache waits for other writers; then the last of them does it. */
export const RESET_WAIT_MS = 2_000;

/** Silence on a connection to object storage after which a request is given up and tried again. */
export const OBJECT_IDLE_TIMEOUT_MS = 30_000;
export const OBJECT_CONNECT_TIMEOUT_MS = 10_000;
/** Taking back what a failed upload left behind. */
export const CLEANUP_TIMEOUT_MS = 10_000;
/** Characters of a service’s error message that are shown. */
export const MAX_ERROR_CHARACTERS = 300;
/** Interruptions of one blob that is read, with less than RESUME_PROGRESS_BYTES between them, until it is given up. */
export const MAX_RESUMES = 4;
export const RESUME_PROGRESS_BYTES = 8 * 1024 * 1024;

/** S3: larger blobs are uploaded in parts, as by BuildKit. */
export const S3_SINGLE_PUT_BYTES = 16 * 1024 * 1024;
export const S3_PART_BYTES = 8 * 1024 * 1024;
/** Parts of all blobs together that are in memory at once: 96 MiB. */
export const S3_PARALLEL_PARTS = 12;
/** S3 allows no more parts in one object. */
export const S3_MAX_PARTS = 10_000;
/** S3 copies no more in one request. */
export const S3_MAX_COPY_BYTES = 5 * 1024 ** 3;
export const DEFAULT_TOUCH_REFRESH_MS = 24 * 3_600_000;

/** Azure: size of blocks, and of what is uploaded in one request, as by BuildKit. */
export const AZURE_BLOCK_BYTES = 32 * 1024 * 1024;
/** Blocks of all blobs together that are in memory at once: 128 MiB. */
export const AZURE_PARALLEL_BLOCKS = 4;
/** Azure allows no more blocks in one blob. */
export const AZURE_MAX_BLOCKS = 50_000;
