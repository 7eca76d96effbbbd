/** Contract of the drivers: where a build runs. The embedded one runs it in this process. */
import type { BuildRequest, BuildResult, StepReport } from '../engine/contract.ts';
import type { ProgressSink } from '../progress/events.ts';

export interface SecretSpec {
  id: string;
  /** Path of a file. */
  src?: string;
  /** Name of an environment variable. */
  env?: string;
}

export interface SshSpec {
  id: string;
  /** An agent's socket or private key files; empty: SSH_AUTH_SOCK. */
  paths: string[];
}

/** Where the output of one exporter goes; `none` for those that need no place on the client. */
export type OutputPlace =
  | { kind: 'none' }
  | { kind: 'stdout' }
  | { kind: 'file'; path: string }
  | { kind: 'directory'; path: string }
  /** Into a program's standard input: `docker load`. */
  | { kind: 'load'; command: string[] };

/** What the command line gives of the client's side; a driver makes its BuildClient of it. */
export interface ClientInputs {
  /** Local source name → directory. */
  localDirectories: Record<string, string>;
  /** Store id in `oci-layout://` references → directory. */
  ociLayouts: Record<string, string>;
  /** Id in `http://buildkit-session/ID` → file. */
  uploads: Record<string, string>;
  secrets: SecretSpec[];
  ssh: SshSpec[];
  /** By index of the request's exports. */
  outputs: OutputPlace[];
  /** Told what became of each step of a build that failed, before it ends. */
  onFailure?: (steps: StepReport[]) => void;
}

export interface Driver {
  readonly name: string;
  /** Looks at what the client offers, before anything is built. @throws CairnError USAGE */
  check(inputs: ClientInputs): Promise<void>;
  build(
    request: BuildRequest,
    inputs: ClientInputs,
    progress: ProgressSink,
    signal: AbortSignal,
  ): Promise<BuildResult>;
  close(): Promise<void>;
}
