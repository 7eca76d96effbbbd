/** Contract of the exporters: a solved build in, images or files out. */
import type { CompressionConfig } from '../content/contract.ts';
import type { Snapshot } from '../snapshots/contract.ts';
import type { VertexProgress } from '../progress/events.ts';
import type { Platform } from '../llb/gen/ops_pb.js';

export interface ExportRef {
  /** `linux/amd64`; undefined when the build is not multi-platform. */
  platformId?: string;
  platform: Platform;
  /** Undefined: scratch. */
  snapshot: Snapshot | undefined;
  /** Image config JSON from the frontend, without rootfs and history of the layers. */
  imageConfig: string;
  baseImageConfig?: string;
  /** Unix seconds. */
  sourceDateEpoch?: number;
  /** JSON of the inline cache, to be put into the image config as `moby.buildkit.cache.v0`. */
  inlineCache?: Uint8Array;
}

export interface ExportInput {
  refs: ExportRef[];
  /** Build ref, for names of temporary things. */
  buildId: string;
}

/** Places for output that the client offers. Part of BuildClient. */
export interface OutputTarget {
  /** A stream to a file or stdout for exporter `index` of the request. */
  file(index: number): Promise<NodeJS.WritableStream>;
  /** A directory on the client for exporter `index`. */
  directory(index: number): Promise<string>;
}

export interface ExportContext {
  readonly signal: AbortSignal;
  readonly progress: VertexProgress;
  /** To be called when all layers have their blobs: others who want those then find them. */
  readonly layersReady?: () => void;
}

export interface Exporter {
  /** `exporting to image`, `exporting to client directory` …: the vertex name that BuildKit prints. */
  readonly name: string;
  /** Of the layers of an image; undefined: it writes none. */
  readonly compression?: CompressionConfig;
  /** It reads the files of the result, not only its layers' blobs. */
  readonly readsFiles: boolean;
  /** What it writes goes to the client as it is made, and cannot be taken back. */
  readonly streams: boolean;
  /** @returns the response metadata: `containerimage.digest`, `containerimage.descriptor`, `image.name` … */
  export(input: ExportInput, context: ExportContext): Promise<Record<string, string>>;
}
