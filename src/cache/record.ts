/** Digests of records: what BuildKit's solver calls root keys (solver, v0.32.2). */
import { createHash } from 'node:crypto';
import type { Digest } from '../content/contract.ts';

/** Output index that stands for "made from the content of an input" instead of an op's output. */
export const CONTENT_OUTPUT = -1;

/**
 * `sha256("<digest>@<output>")`, the digest of a record: of a cache map and the output of its op, or of a
 * content digest and {@link CONTENT_OUTPUT}.
 */
export function recordDigest(digest: Digest, output: number): Digest {
  return `sha256:${createHash('sha256').update(`${digest}@${output}`).digest('hex')}`;
}
