import { CairnError } from '../../errors/error.ts';
import {
  ANNOTATION_UNCOMPRESSED,
  type BlobInfo,
  type CompressionConfig,
  type CompressionType,
  type ContentStore,
  type Descriptor,
  type Digest,
} from '../contract.ts';
import { Digester } from '../digest.ts';
import { layerMediaType } from '../media_types.ts';
import { estargz, type EstargzSummary } from './estargz.ts';
import { ANNOTATION_TOC_DIGEST, ANNOTATION_UNCOMPRESSED_SIZE } from './estargz_toc.ts';
import { gzip } from './gzip.ts';
import { zstd } from './zstd.ts';

/** Levels that each compression accepts. */
const LEVELS: Readonly<Record<CompressionType, readonly [number, number] | undefined>> = {
  uncompressed: undefined,
  gzip: [0, 9],
  estargz: [0, 9],
  zstd: [0, 22],
};

/** @throws CairnError USAGE when the level is none of this compression's */
export function checkLevel(type: CompressionType, level: number | undefined): void {
  const range = LEVELS[type];
  if (level === undefined || range === undefined) return;
  const [lowest, highest] = range;
  if (Number.isInteger(level) && level >= lowest && level <= highest) return;
  throw new CairnError(`compression level ${level} is not one of ${type}'s: ${lowest} to ${highest}`, {
    code: 'USAGE',
  });
}

/** What is known of a layer once its last byte was compressed. */
export interface LayerSummary {
  /** sha256 of the uncompressed bytes. For estargz, of the tar with its table of contents. */
  diffID: Digest;
  /** Bytes, uncompressed. */
  uncompressedSize: number;
  /** For the descriptor: {@link ANNOTATION_UNCOMPRESSED}, and those that estargz needs. */
  annotations: Record<string, string>;
}

export interface LayerStream {
  bytes: AsyncIterable<Uint8Array>;
  /** Valid once `bytes` has been read to its end. */
  summary(): LayerSummary;
}

/**
 * Compresses a layer's tar, hashing it on the way. Deterministic: equal bytes, type and level give equal bytes
 * under one version of Node. Chunks are kept while they are compressed and must not be reused by the producer.
 *
 * @throws CairnError USAGE for a level that the type does not have
 */
export function compressLayer(
  tar: AsyncIterable<Uint8Array>,
  config: Pick<CompressionConfig, 'type' | 'level'>,
): LayerStream {
  const { type, level } = config;
  checkLevel(type, level);
  if (type === 'estargz') return estargzLayer(tar, level);
  const digester = new Digester();
  async function* hashed(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of tar) {
      digester.update(chunk);
      yield chunk;
    }
  }
  return {
    bytes: compressed(hashed(), config),
    summary: () => summaryOf({ digest: digester.digest(), size: digester.size }),
  };
}

function compressed(
  tar: AsyncIterable<Uint8Array>,
  { type, level }: Pick<CompressionConfig, 'type' | 'level'>,
): AsyncIterable<Uint8Array> {
  if (type === 'gzip') return gzip(tar, level);
  return type === 'zstd' ? zstd(tar, level) : tar;
}

function summaryOf({ digest, size }: BlobInfo): LayerSummary {
  return { diffID: digest, uncompressedSize: size, annotations: { [ANNOTATION_UNCOMPRESSED]: digest } };
}

function estargzLayer(tar: AsyncIterable<Uint8Array>, level: number | undefined): LayerStream {
  let finished: EstargzSummary | undefined;
  return {
    bytes: estargz(tar, level, (summary) => (finished = summary)),
    summary: () => {
      if (finished === undefined) throw new Error('the layer has not been read to its end');
      const { diffID, uncompressedSize, tocDigest } = finished;
      return {
        diffID,
        uncompressedSize,
        annotations: {
          [ANNOTATION_UNCOMPRESSED]: diffID,
          [ANNOTATION_TOC_DIGEST]: tocDigest,
          [ANNOTATION_UNCOMPRESSED_SIZE]: String(uncompressedSize),
        },
      };
    },
  };
}

/**
 * Whether a layer's tar is to be hashed by who makes it, on another thread, and its digest given to {@link writeLayer}.
 * An uncompressed blob is its tar, and estargz adds to it.
 */
export function wantsTarSum({ type }: Pick<CompressionConfig, 'type'>): boolean {
  return type === 'gzip' || type === 'zstd';
}

/** A layer blob that was written, and what its tar is. */
export interface WrittenLayer extends LayerSummary {
  /** With media type and annotations. */
  descriptor: Descriptor;
}

/**
 * Compresses a layer's tar into the content store, in one pass.
 *
 * @param options `tarSum`: of the tar, see {@link wantsTarSum}; it settles when the tar has been read
 * @throws CairnError STORE when the disk is full; USAGE for a bad level
 */
export async function writeLayer(
  content: ContentStore,
  tar: AsyncIterable<Uint8Array>,
  config: CompressionConfig,
  { signal, tarSum }: { signal?: AbortSignal; tarSum?: Promise<BlobInfo | undefined> } = {},
): Promise<WrittenLayer> {
  const options = signal === undefined ? {} : { signal };
  let blob: BlobInfo;
  let summary: LayerSummary;
  if (config.type === 'uncompressed') {
    // The blob's digest is the diffID: hashed once, by the store.
    blob = await content.ingest(tar, {}, options);
    summary = summaryOf(blob);
  } else if (tarSum !== undefined && wantsTarSum(config)) {
    checkLevel(config.type, config.level);
    blob = await content.ingest(compressed(tar, config), {}, options);
    const sum = await tarSum;
    if (sum === undefined) throw new Error('the tar was not hashed');
    summary = summaryOf(sum);
  } else {
    const stream = compressLayer(tar, config);
    blob = await content.ingest(stream.bytes, {}, options);
    summary = stream.summary();
  }
  const mediaType = layerMediaType(config.type, config.ociMediaTypes ?? true);
  return { ...summary, descriptor: { mediaType, ...blob, annotations: summary.annotations } };
}
