/**
 * Contract of the Dockerfile frontend: a Dockerfile in, LLB and an image config per platform out. It reads
 * files and image configs only through the gateway that is handed to it (BuildKit's frontend gateway API).
 */
import type { Digest } from '../../content/contract.ts';
import type { Definition, Platform } from '../../llb/gen/ops_pb.js';
import type { SourceRange } from '../../progress/events.ts';

/** Files of something that the gateway solved. */
export interface GatewayRef {
  /** @throws CairnError NOT_FOUND */
  readFile(path: string, range?: { offset: number; length: number }): Promise<Uint8Array>;
  /** Undefined: not there. `mode` as Go's fs.FileMode bits of BuildKit's Stat: only type and permissions are used. */
  statFile(path: string): Promise<{ path: string; mode: number; size: number; isDir: boolean } | undefined>;
  readDir(path: string): Promise<{ path: string; isDir: boolean }[]>;
}

export interface ResolveImageConfigOptions {
  platform?: Platform;
  /** `default`, `pull` or `local`. */
  resolveMode: string;
  /** What progress shows, e.g. `[internal] load metadata for docker.io/library/busybox:latest`. */
  logName: string;
  /** Set for oci-layout references. */
  ociLayout?: { sessionId: string; storeId: string };
}

export interface FrontendWarning {
  /** Vertex digest that it belongs to, or empty for the build. */
  vertex: Digest | '';
  level: number;
  message: string;
  detail: string[];
  url: string;
  source?: { filename: string; data: Uint8Array; language: string };
  ranges: SourceRange[];
}

export interface Gateway {
  /** Frontend attributes: `build-arg:X`, `target`, `platform`, `context:NAME`, `filename` … */
  readonly opts: Readonly<Record<string, string>>;
  /** Platforms that the worker runs, first is the default. */
  readonly workerPlatforms: Platform[];
  /** Absent in conformance runs: then local sources have no `local.sessionid`. */
  readonly sessionId?: string;
  /** Value of `local.unique`; random in a real build. */
  readonly localUnique: string;
  /** Makes ids of progress groups; absent: random ones. */
  newId?(): string;
  /** Definitions handed over as contexts, by name (`input:NAME`); absent: none. */
  readonly inputs?: Readonly<Record<string, Definition>>;
  solve(definition: Definition): Promise<GatewayRef>;
  resolveImageConfig(
    ref: string,
    options: ResolveImageConfigOptions,
  ): Promise<{ ref: string; digest: Digest; config: Uint8Array }>;
  /**
   * What a git or HTTP source resolves to, for SOURCE_DATE_EPOCH=context or a stage. Times in seconds since the
   * epoch; absent where the server says nothing. Absent method: such values are refused.
   */
  resolveSourceMetadata?(
    source: { identifier: string; attrs: Record<string, string> },
    logName: string,
  ): Promise<{ commitTime?: bigint; lastModified?: bigint }>;
  warn(warning: FrontendWarning): void;
}

export interface FrontendRef {
  /** `linux/amd64`; undefined when the build is not multi-platform. */
  platformId?: string;
  platform: Platform;
  /** Undefined: scratch with nothing in it. */
  definition: Definition | undefined;
  /** `containerimage.config`, exact JSON text. */
  imageConfig: string;
  /** `containerimage.base.config`, exact JSON text, if there is one. */
  baseImageConfig?: string;
  /** Unix seconds as text. */
  sourceDateEpoch?: string;
}

/** The build belongs to another frontend image: a syntax directive or BUILDKIT_SYNTAX names it. */
export interface FrontendForward {
  /** Image reference as written. */
  source: string;
  /** The whole value of the directive. */
  cmdline: string;
  /** Where the directive stands; undefined for BUILDKIT_SYNTAX. */
  location?: { filename: string; ranges: SourceRange[] };
}

export interface FrontendResult {
  refs: FrontendRef[];
  /** `refs.platforms` metadata, exact JSON text; set for every build as BuildKit's frontend does. */
  platforms: string;
}

/** The JSON results of the subrequests; `text` is what `--call` prints by default. */
export interface SubrequestResult {
  json: string;
  text: string;
}
