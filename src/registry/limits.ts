/** Every bound of the registry room, by name. Times in milliseconds, sizes in bytes. */

/** How long a TCP connection, with its TLS handshake, may take (BuildKit's dialer has the same). */
export const CONNECT_TIMEOUT_MS = 30_000;
/** How long a connection may stand still while the other side is expected to send or to read. */
export const IDLE_TIMEOUT_MS = 60_000;
/** A whole request about metadata: HEAD, manifests, tokens, the start of an upload. */
export const CONTROL_TIMEOUT_MS = 120_000;
/** A whole blob, either way. */
export const BLOB_TIMEOUT_MS = 6 * 3_600_000;
/** Idle connections are closed by us after this time, before most servers do it. */
export const KEEP_ALIVE_MS = 20_000;

/** Parallel blob downloads from one host; BuildKit has the same number. */
export const MAX_READS_PER_HOST = 4;
/** Parallel uploads to one host, as skopeo and buildah have it (BuildKit: 4); small ones wait for answers mostly. */
export const MAX_UPLOADS_PER_HOST = 6;
/** Parallel requests about metadata to one host. */
export const MAX_CONTROL_PER_HOST = 8;

/** Tries of one request, the first included. */
export const MAX_ATTEMPTS = 5;
/** Tries of one request that ran into a time limit: each has cost a minute. */
export const MAX_TIMEOUT_ATTEMPTS = 2;
/** Tries of the upload of one blob, the first included. */
export const MAX_UPLOAD_ATTEMPTS = 3;
/** How often one blob download goes on from where it broke off. */
export const MAX_RESUMES = 10;
/** How often in a row that may happen without a single byte. */
export const MAX_FRUITLESS_RESUMES = 2;
export const MAX_REDIRECTS = 10;
/** Repositories that are offered to the registry as the source of a mount. */
export const MAX_MOUNT_CANDIDATES = 3;

export const FIRST_BACKOFF_MS = 250;
export const MAX_BACKOFF_MS = 8_000;
/** The longest Retry-After that is obeyed; a server that asks for more has refused. */
export const MAX_RETRY_AFTER_MS = 60_000;

/** containerd's MaxManifestSize. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** A token server's answer. */
export const MAX_TOKEN_BYTES = 1024 * 1024;
/** How much of an error's body is read, and kept. */
export const MAX_ERROR_BODY_BYTES = 16 * 1024;
export const MAX_ERROR_TEXT = 1000;
export const ERROR_BODY_TIMEOUT_MS = 2_000;
/** Blobs up to this size are sent from memory. */
export const SMALL_BLOB_BYTES = 1024 * 1024;
/** An answer that nobody needs is read up to here, so that the connection can be used again. */
export const MAX_DISCARD_BYTES = 64 * 1024;

/** Seconds that a token without `expires_in` is good for (distribution's token specification). */
export const DEFAULT_TOKEN_SECONDS = 60;

export interface Timeouts {
  connect: number;
  idle: number;
  control: number;
  blob: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  connect: CONNECT_TIMEOUT_MS,
  idle: IDLE_TIMEOUT_MS,
  control: CONTROL_TIMEOUT_MS,
  blob: BLOB_TIMEOUT_MS,
};
