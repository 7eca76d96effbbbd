/** sha256 digests in the field's text form. */
import { createHash } from 'node:crypto';
import type { Digest } from '../content/contract.ts';

/** `sha256:` and the hex digits of the hash of `data` (strings as UTF-8); OCI image-spec v1.1, descriptor.md#digests. */
export function digestOf(data: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}
