/** Layers of an imported cache config: indexes to stacks of blobs. */
import { ANNOTATION_CREATED_AT, ANNOTATION_UNCOMPRESSED } from '../content/contract.ts';
import type { Descriptor, Digest } from '../content/contract.ts';
import type { CacheConfigLayer, CacheManifest } from './contract.ts';
import type { ResultPlace } from './parse.ts';

/** Layers that one result may have; overlayfs takes 500, images rarely have 100. */
const MAX_STACK = 2000;

export interface ImportedLayer {
  descriptor: Descriptor;
  diffID: Digest;
  createdAt?: Date;
}

/** Looks up the blobs of results, when they are first asked for. */
export class ImportedLayers {
  readonly #layers: readonly (CacheConfigLayer | null | undefined)[];
  readonly #blobs: CacheManifest['blobs'];
  readonly #warn: (message: string) => void;
  readonly #stacks = new Map<ResultPlace, readonly ImportedLayer[] | undefined>();

  constructor({ config, blobs }: CacheManifest, warn: (message: string) => void) {
    this.#layers = Array.isArray(config.layers) ? config.layers : [];
    this.#blobs = blobs;
    this.#warn = warn;
  }

  /** Lowest first; undefined when any of them is missing or damaged. */
  stack(place: ResultPlace): readonly ImportedLayer[] | undefined {
    if (!this.#stacks.has(place)) this.#stacks.set(place, this.#find(place));
    return this.#stacks.get(place);
  }

  #find(place: ResultPlace): readonly ImportedLayer[] | undefined {
    const indexes = 'chain' in place ? place.chain : this.#parents(place.top);
    if (indexes === undefined) return undefined;
    if (indexes.length > MAX_STACK) {
      this.#warn(`a result has more than ${MAX_STACK} layers`);
      return undefined;
    }
    const stack: ImportedLayer[] = [];
    for (const index of indexes) {
      const layer = this.#layer(index);
      if (layer === undefined) return undefined;
      stack.push(layer);
    }
    return stack.length === 0 ? undefined : stack;
  }

  /** A layer and what lies below it, lowest first. */
  #parents(top: number): number[] | undefined {
    const indexes: number[] = [];
    for (let index: number | undefined = top; index !== -1; index = this.#parentOf(index)) {
      if (index === undefined) return undefined;
      if (indexes.length > MAX_STACK || this.#layers[index] === undefined || this.#layers[index] === null) {
        this.#warn(
          indexes.length > MAX_STACK
            ? `the parents of layer ${top} form a loop, or are more than ${MAX_STACK}`
            : `there is no layer ${index}`,
        );
        return undefined;
      }
      indexes.push(index);
    }
    return indexes.toReversed();
  }

  #parentOf(index: number): number | undefined {
    const parent: unknown = this.#layers[index]?.parent ?? 0;
    if (Number.isSafeInteger(parent)) return Number(parent);
    this.#warn(`the parent of layer ${index} is not a number`);
    return undefined;
  }

  #layer(index: number): ImportedLayer | undefined {
    const layer = this.#layers[index];
    if (layer === undefined || layer === null) {
      this.#warn(`there is no layer ${index}`);
      return undefined;
    }
    if (!isDigest(layer.blob)) {
      this.#warn(`layer ${index} names no blob`);
      return undefined;
    }
    const found = this.#blobs.get(layer.blob);
    if (found === undefined) {
      this.#warn(`blob ${layer.blob} is not part of the cache`);
      return undefined;
    }
    const diffID = found.annotations?.[ANNOTATION_UNCOMPRESSED] ?? layer.annotations?.diffID;
    if (diffID === undefined || !isDigest(diffID)) {
      this.#warn(`blob ${layer.blob} has no digest of its uncompressed form`);
      return undefined;
    }
    const time: unknown = found.annotations?.[ANNOTATION_CREATED_AT] ?? layer.annotations?.createdAt;
    const createdAt = new Date(typeof time === 'string' ? time : NaN);
    const known = Number.isNaN(createdAt.getTime()) ? {} : { createdAt };
    return { descriptor: found, diffID, ...known };
  }
}

/** A digest as OCI's image-spec (descriptor.md#digests) has them, in an algorithm that is in use. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text);
}
