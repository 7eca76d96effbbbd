/** What went wrong, as a stable word that scripts and tests can match. */
export type ErrorCode =
  | 'USAGE' // a flag or parameter is wrong
  | 'DOCKERFILE' // the Dockerfile does not parse or convert
  | 'SOLVE' // a vertex failed for a reason of its own
  | 'EXEC' // a process in a RUN step exited with an error
  | 'NOT_FOUND'
  | 'DENIED' // a server or the kernel refuses
  | 'UNAVAILABLE' // a server cannot be reached or answers with an error of its own
  | 'CORRUPT' // bytes do not have the digest, size or format that was promised
  | 'STORE' // the store cannot be opened or written
  | 'UNSUPPORTED'
  | 'CANCELED'
  | 'TIMEOUT';

export interface CairnErrorOptions {
  code: ErrorCode;
  /** What the user can do about it, one sentence. */
  hint?: string | undefined;
  cause?: unknown;
}

/**
 * The one class for errors that a user may meet. A plain Error is a programmer's mistake.
 * Secrets are taken out of message and hint by {@link redact} when the error is made.
 */
export class CairnError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(message: string, options: CairnErrorOptions) {
    super(redact(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CairnError';
    this.code = options.code;
    this.hint = options.hint === undefined ? undefined : redact(options.hint);
  }
}

/** The longest first: of one that is a part of another, the rest would be left. */
let secrets: readonly string[] = [];

/** Values shorter than this are not replaced: they would blank out ordinary text. */
const MIN_SECRET_LENGTH = 4;

/** Registers a value (a password, a token, a secret's content) that must never be printed. */
export function registerSecret(value: string): void {
  const trimmed = value.trim();
  if (trimmed.length < MIN_SECRET_LENGTH || secrets.includes(trimmed)) return;
  secrets = [...secrets, trimmed].toSorted((a, b) => b.length - a.length);
}

/**
 * Of URLs of HTTP the user's name as well, as BuildKit does: services take a token in its place. Of others it is left
 * where there is no password, as in ssh://git@host.
 */
function redactUser(_: string, scheme: string, user: string, password: string | undefined): string {
  const shown = password === undefined && !/^https?$/i.test(scheme);
  return `${scheme}://${shown || user === '' ? user : 'xxxxx'}${password === undefined ? '' : ':xxxxx'}@`;
}

/** `text` with every registered secret, and the user info and signature parts of URLs, replaced by `xxxxx`. */
export function redact(text: string): string {
  let out = text;
  for (const secret of secrets) {
    if (out.includes(secret)) out = out.replaceAll(secret, 'xxxxx');
  }
  return out
    .replace(/\b([a-z][a-z0-9+.-]*):\/\/([^\s/?#:@]*)(:[^\s/?#]*)?@/gi, redactUser)
    .replace(
      /([?&](?:sig|signature|x-amz-signature|x-amz-security-token|x-amz-credential|token|access_token)=)[^&\s"']+/gi,
      '$1xxxxx',
    );
}

/** What the user can do about it, where the error says so. */
export function hintOf(error: unknown): string | undefined {
  return error instanceof CairnError ? error.hint : undefined;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return redact(error instanceof Error ? error.message : String(error));
}
