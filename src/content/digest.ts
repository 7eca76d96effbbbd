import { createHash, hash } from 'node:crypto';
import { CairnError } from '../errors/error.ts';
import type { Digest } from './contract.ts';

/** Registered algorithms and the length of their hexadecimal part (OCI image-spec, descriptor.md#digests). */
const HEX_LENGTH: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };
const LOWER_HEX = /^[0-9a-f]+$/;

export interface DigestParts {
  algorithm: string;
  hex: string;
}

function split(text: string): DigestParts | undefined {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, Math.max(colon, 0));
  const hex = text.slice(colon + 1);
  return Object.hasOwn(HEX_LENGTH, algorithm) && hex.length === HEX_LENGTH[algorithm] && LOWER_HEX.test(hex)
    ? { algorithm, hex }
    : undefined;
}

/** True for `sha256:…`, `sha384:…` and `sha512:…` with the right number of lower-case hexadecimal digits. */
export function isDigest(text: string): text is Digest {
  return split(text) !== undefined;
}

/** @throws CairnError CORRUPT when it is not a digest; it is always checked before it becomes part of a path */
export function parseDigest(text: string): DigestParts {
  const parts = split(text);
  if (parts === undefined) {
    throw new CairnError(`invalid digest "${text.slice(0, 200)}"`, {
      code: 'CORRUPT',
      hint: 'a digest looks like sha256: followed by 64 hexadecimal digits',
    });
  }
  return parts;
}

/** sha256 of bytes, or of a string's UTF-8. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${hash('sha256', bytes, 'hex')}`;
}

/** Hashes and counts bytes as they pass. */
export class Digester {
  readonly #algorithm: string;
  readonly #hash: ReturnType<typeof createHash>;
  /** Bytes seen. */
  size = 0;

  constructor(algorithm = 'sha256') {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.size += bytes.length;
  }

  /** May be called once. */
  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.digest('hex')}`;
  }
}
