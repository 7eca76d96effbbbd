/** What somebody says of blobs and nobody has seen yet: that they are a certain layer. */
import type { Digest } from '../content/contract.ts';
import type { LayerBlob } from './records.ts';

/** `hearsay`: of a cache, which does not say that the layer is part of an image. */
export interface Claim extends LayerBlob {
  hearsay: boolean;
}

/** Several may say so of one layer, and one of them may lie: what is claimed counts in this process only. */
export class LayerClaims {
  readonly #byLayer = new Map<string, Claim[]>();

  /** A claim replaces an earlier one of the same blob, unless that was better. */
  add(layer: string, claim: Claim): void {
    const claims = this.of(layer);
    const { digest } = claim.descriptor;
    if (claims.some(({ descriptor, hearsay }) => descriptor.digest === digest && !hearsay)) return;
    this.#byLayer.set(layer, [...claims.filter(({ descriptor }) => descriptor.digest !== digest), claim]);
  }

  /** In the order in which they were made. */
  of(layer: string): readonly Claim[] {
    return this.#byLayer.get(layer) ?? [];
  }

  drop(layer: string, digest: Digest): void {
    const claims = this.of(layer);
    const others = claims.filter(({ descriptor }) => descriptor.digest !== digest);
    if (others.length < claims.length) this.#byLayer.set(layer, others);
  }

  /** Whatever layer the blob was said to be. */
  dropBlob(digest: Digest): void {
    for (const layer of this.#byLayer.keys()) this.drop(layer, digest);
  }
}
