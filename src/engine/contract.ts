/** Contract of the engine: one build request in, progress and a result out. Drivers implement {@link Builder}. */
import type { CredentialSource } from '../registry/contract.ts';
import type { ContextSource } from '../sources/contract.ts';
import type { SecretSource } from '../ops/contract.ts';
import type { OutputTarget } from '../exporters/contract.ts';
import type { ProgressSink } from '../progress/events.ts';
import type { Definition } from '../llb/gen/ops_pb.js';

/**
 * The one door to whoever asked for the build: context files, credentials, secrets, agents, places for output.
 * No other part opens a context path, reads a docker config or asks a credential helper.
 */
export interface BuildClient extends CredentialSource, ContextSource, SecretSource, OutputTarget {
  /** The absolute path of a directory of local caches; need not be there yet. */
  cacheDirectory(path: string): string;
  /** Told what became of each step of a build that failed, before it ends. */
  onFailure?(steps: StepReport[]): void;
}

/** `type=…,key=value,…` of -o, --cache-to and --cache-from, checked by the CLI. */
export interface TypedAttrs {
  type: string;
  attrs: Record<string, string>;
}

/** What the frontend can be asked instead of a build, without the `frontend.` of BuildKit's names. */
export type Subrequest = 'lint' | 'outline' | 'targets' | 'subrequests.describe';

/** The shape of BuildKit's control SolveRequest, so that remote drivers send it on unchanged. */
export interface BuildRequest {
  /** Unique id of the build. */
  ref: string;
  /** Attributes of the Dockerfile frontend, by BuildKit's names. */
  frontendAttrs: Record<string, string>;
  /** A ready definition instead of a frontend. */
  definition?: Definition;
  exports: TypedAttrs[];
  cacheTo: TypedAttrs[];
  cacheFrom: TypedAttrs[];
  /** Unknown and malformed parameters of caches are ignored, as BuildKit does; default: they are errors. */
  cacheLenient?: boolean;
  /** `network.host`, `security.insecure`. */
  entitlements: string[];
  /** `--call`: a subrequest instead of a build, e.g. `lint`; `check` true for --check's exit code. */
  subrequest?: { name: Subrequest };
}

/** Why a step was a hit or ran; `explain`, `--cache-report` and tests read it. */
export interface StepReport {
  vertex: string;
  name: string;
  status: 'hit' | 'run' | 'error' | 'canceled';
  /** `local`, or the cache-from entry that answered. */
  cache?: string;
  /** Which rule answered: by definition, by content, or why nothing did. */
  reason: string;
}

export interface BuildResult {
  /** Exporter response metadata, one map for all exporters as in BuildKit. */
  metadata: Record<string, string>;
  steps: StepReport[];
  /** Set when the request was a subrequest. */
  subrequest?: { json: string; text: string };
  warnings: number;
}

export interface Builder {
  build(
    request: BuildRequest,
    client: BuildClient,
    progress: ProgressSink,
    signal: AbortSignal,
  ): Promise<BuildResult>;
  close(): Promise<void>;
}
