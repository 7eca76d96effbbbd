/** References as the registry room names them: host and repository instead of domain and path. */
import {
  familiarReference as familiar,
  formatReference as format,
  parseNormalizedReference,
  withDefaultTag,
  type ImageReference,
} from '../llb/reference.ts';
import type { Reference } from './contract.ts';

export { parseDigest } from '../llb/reference.ts';

function fromImage({ domain, path, ...rest }: ImageReference): Reference {
  return { host: domain, repository: path, ...rest };
}

function toImage({ host, repository, ...rest }: Reference): ImageReference {
  return { domain: host, path: repository, ...rest };
}

/**
 * A reference by any of its spellings, without a tag where none is written.
 * @throws CairnError USAGE with the texts of `reference.ParseNormalizedNamed`
 */
export function parseNamed(text: string): Reference {
  return fromImage(parseNormalizedReference(text));
}

/**
 * Like {@link parseNamed}, with the tag `latest` where neither tag nor digest is written.
 * @throws CairnError USAGE
 */
export function parseReference(text: string): Reference {
  return fromImage(withDefaultTag(parseNormalizedReference(text)));
}

/** `docker.io/library/busybox:latest`: the full spelling. */
export function formatReference(reference: Reference): string {
  return format(toImage(reference));
}

/** `docker.io/library/busybox`: host and repository. */
export function repositoryName(reference: Reference): string {
  return `${reference.host}/${reference.repository}`;
}

/** The short spelling that people use: `busybox:latest` (`reference.FamiliarString`). */
export function familiarReference(reference: Reference): string {
  return familiar(toImage(reference));
}
