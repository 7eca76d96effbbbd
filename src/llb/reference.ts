/**
 * Image references: the grammar, the normal form and the error texts of the Go module
 * github.com/distribution/reference v0.6.0.
 */
import type { Digest } from '../content/contract.ts';
import { CairnError } from '../errors/error.ts';

export interface ImageReference {
  /** `docker.io`; empty for a name that was not normalised and has none. */
  domain: string;
  /** `library/busybox`. */
  path: string;
  tag?: string;
  digest?: Digest;
}

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DOMAIN = 'index.docker.io';
const OFFICIAL_PREFIX = 'library/';
const MAX_PATH_LENGTH = 255;

const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*';
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const HOST_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}';

const REFERENCE = new RegExp(`^((?:${DOMAIN}/)?${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const NAME = new RegExp(`^(?:(${DOMAIN})/)?(${PATH})$`);
const IDENTIFIER = /^[a-f0-9]{64}$/;

/** Digest algorithms and the length of their hex text. */
const ALGORITHMS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/**
 * Parses a reference as written, without defaults: `busybox` has no domain.
 * @throws CairnError USAGE
 */
export function parseReference(text: string): ImageReference {
  const match = REFERENCE.exec(text);
  if (match === null) {
    if (text === '') throw invalid('repository name must have at least one component');
    throw invalid(
      REFERENCE.test(text.toLowerCase()) ? 'repository name must be lowercase' : 'invalid reference format',
    );
  }
  const [, name = '', tag, digest] = match;
  const parts = NAME.exec(name);
  const domain = parts?.[1] ?? '';
  const path = parts?.[2] ?? name;
  if (path.length > MAX_PATH_LENGTH) {
    throw invalid(`repository name must not be more than ${MAX_PATH_LENGTH} characters`);
  }
  const reference: ImageReference = { domain, path };
  if (tag !== undefined) reference.tag = tag;
  if (digest !== undefined) reference.digest = parseDigest(digest);
  return reference;
}

/**
 * Parses a reference as people write it and fills in registry and `library/`: `busybox` is
 * docker.io/library/busybox, still without a tag.
 * @throws CairnError USAGE
 */
export function parseNormalizedReference(text: string): ImageReference {
  if (IDENTIFIER.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const [domain, remainder] = splitDomain(text);
  const [remote = ''] = remainder.split(':', 1);
  if (remote.toLowerCase() !== remote) {
    throw invalid(`invalid reference format: repository name (${remote}) must be lowercase`);
  }
  return parseReference(`${domain}/${remainder}`);
}

function splitDomain(name: string): [domain: string, remainder: string] {
  const slash = name.indexOf('/');
  if (slash === -1) return [DEFAULT_DOMAIN, OFFICIAL_PREFIX + name];
  const first = name.slice(0, slash);
  const rest = name.slice(slash + 1);
  let domain = DEFAULT_DOMAIN;
  let remainder = name;
  if (first === LEGACY_DOMAIN) remainder = rest;
  else if (first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first) {
    domain = first;
    remainder = rest;
  }
  if (domain === DEFAULT_DOMAIN && !remainder.includes('/')) remainder = OFFICIAL_PREFIX + remainder;
  return [domain, remainder];
}

/** `:latest` for a reference with neither tag nor digest. */
export function withDefaultTag(reference: ImageReference): ImageReference {
  return reference.tag === undefined && reference.digest === undefined
    ? { ...reference, tag: 'latest' }
    : reference;
}

/** The name with registry: `docker.io/library/busybox`. */
export function referenceName({ domain, path }: ImageReference): string {
  return domain === '' ? path : `${domain}/${path}`;
}

/** The whole reference as text. */
export function formatReference(reference: ImageReference): string {
  const { tag, digest } = reference;
  return (
    referenceName(reference) +
    (tag === undefined ? '' : `:${tag}`) +
    (digest === undefined ? '' : `@${digest}`)
  );
}

/** The reference as people write it: without docker.io and `library/`. */
export function familiarReference(reference: ImageReference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return formatReference(reference);
  const rest = reference.path.slice(OFFICIAL_PREFIX.length);
  const official = reference.path.startsWith(OFFICIAL_PREFIX) && !rest.includes('/');
  return formatReference({ ...reference, domain: '', path: official ? rest : reference.path });
}

/**
 * Checks a digest's form by the rules and with the error texts of github.com/opencontainers/go-digest.
 * @throws CairnError USAGE
 */
export function parseDigest(text: string): Digest {
  const colon = text.indexOf(':');
  if (colon <= 0 || colon + 1 === text.length) throw invalid('invalid checksum digest format');
  const algorithm = text.slice(0, colon);
  const length = Object.hasOwn(ALGORITHMS, algorithm) ? ALGORITHMS[algorithm] : undefined;
  if (length === undefined) {
    throw invalid(
      /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/.test(text)
        ? 'unsupported digest algorithm'
        : 'invalid checksum digest format',
    );
  }
  const hex = text.slice(colon + 1);
  if (hex.length !== length) throw invalid('invalid checksum digest length');
  if (!/^[a-f0-9]+$/.test(hex)) throw invalid('invalid checksum digest format');
  return `${algorithm}:${hex}`;
}

function invalid(message: string): CairnError {
  return new CairnError(message, { code: 'USAGE' });
}
