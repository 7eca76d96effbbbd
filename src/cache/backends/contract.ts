/**
 * Contract of the cache backends: where a cache's manifest and blobs are stored. A backend knows nothing of keys
 * and records. One file for each, found by `create.ts`; docs/backends describes them to users.
 */
import type { BlobProvider, Descriptor, Digest } from '../../content/contract.ts';
import { CairnError } from '../../errors/error.ts';
import type { RegistryClient } from '../../registry/contract.ts';
import type { CacheManifest, ExportedCache } from '../contract.ts';
import { COMMON_PARAMETERS, commonValues, type CommonValues } from './shared_parameters.ts';
import { checkParameters, FLAGS, type ParameterTable, type Side, type Values } from './parameters.ts';

export type { Side } from './parameters.ts';

/** One `--cache-to` or `--cache-from` target that was opened. Blobs are read lazily, as long as the build lasts. */
export interface CacheBackend extends BlobProvider {
  /**
   * Names of the manifests that the entry is about. An import reads all of them and unites them; an export
   * publishes the same cache under each. Mostly one; more for `name=a;b` and for scopes of GitHub's cache.
   */
  names(signal: AbortSignal): Promise<readonly string[]>;

  /**
   * The newest cache under this name; undefined: there is none. Reads manifest and config, no layer.
   * @throws CairnError UNAVAILABLE, DENIED, TIMEOUT, CORRUPT
   */
  resolve(name: string, signal: AbortSignal): Promise<CacheManifest | undefined>;

  /**
   * Which of these blobs are there already, by the cheapest way: one listing, or the manifest that is replaced.
   * It may leave out what is there, if {@link write} notices; it must not name what is not.
   */
  has(blobs: readonly Descriptor[], signal: AbortSignal): Promise<ReadonlySet<Digest>>;

  /**
   * Stores a blob. Idempotent: writing what is there already is no error. `source` checks its bytes against the
   * digest as they are read, and fails at their end; a read that fails must leave nothing under the blob's name.
   */
  write(blob: Descriptor, source: BlobProvider, options: WriteOptions): Promise<void>;

  /**
   * Stores the manifest, last and atomically: all blobs of `cache` are there. Skipped by the backend when what is
   * there under the name is the same.
   *
   * @param expected what the manifest must still be for the write to happen, from the `version` of resolve();
   *   `version` undefined: there must be none. Without `expected` whatever is there is replaced. Services without
   *   conditional writes compare just before they write.
   */
  publish(
    cache: ExportedCache,
    name: string,
    options: { expected?: { version: string | undefined }; signal: AbortSignal },
  ): Promise<Published>;

  /**
   * Whether exactly this cache is published under this name already, so that an export has nothing to do. With
   * {@link blobsMayExpire} the manifest alone is meant: has() is asked at the same time, for all blobs.
   */
  unchanged?(cache: ExportedCache, name: string, signal: AbortSignal): Promise<Published | undefined>;

  /** Clean-up after the last publish: blobs that nothing names any more. */
  finish?(signal: AbortSignal): Promise<void>;

  /**
   * Blobs are objects of their own: they may go while manifests that name them stay, and publish() does not notice.
   * has() is asked about all of them then, those of the manifest that is united with, too.
   */
  readonly blobsMayExpire?: boolean;

  /** Blobs that may be written at once; default PARALLEL_WRITES of limits.ts. */
  readonly parallelWrites?: number;
}

export interface WriteOptions {
  signal: AbortSignal;
  /** Called with the number of bytes sent so far. */
  onProgress?: (bytes: number) => void;
}

/** What became of a publish. */
export interface Published {
  /** `conflict`: another writer was there first; nothing was written. */
  status: 'written' | 'unchanged' | 'conflict';
  /** Digest of the manifest, or of the config where there is no manifest. */
  digest?: Digest;
  /** Media type and size in bytes of it, where it is an OCI manifest. */
  descriptor?: Descriptor;
  /** Digest of the config, where it is an OCI manifest. */
  config?: Digest;
  /** Bytes of config and manifest, where it is an OCI manifest: BuildKit imports neither above 1 MiB. */
  sizes?: { config: number; manifest: number };
  /** Response metadata, as `cache.manifest`. */
  metadata?: Record<string, string>;
}

/** What a backend is given to work with. Everything of the client comes through it. */
export interface BackendContext {
  /** Of the machine that builds: the chains of AWS and Azure credentials read it. */
  env: NodeJS.ProcessEnv;
  /** A directory on the client, absolute. */
  directory(path: string): string;
  registry(): Promise<RegistryClient>;
  /** Tells people of something that is odd and does not matter to the result; one sentence, the cache's name is put before it. */
  warn: (message: string) => void;
}

/** A checked entry of the command line or of a build request. */
export interface CacheEntry {
  readonly type: string;
  readonly side: Side;
  /** In warnings and reports: `registry:docker.io/user/app:cache`, `local:/path`. */
  readonly name: string;
  /** The vertex: `exporting cache to registry`; or `importing cache manifest from …`. */
  readonly vertexName: string;
  readonly common: CommonValues;
  /** Layers that one export names are limited by BuildKit's reader: manifest and config of at most 1 MiB. */
  readonly limitedByBuildKit: boolean;
  /** @throws CairnError */
  open(context: BackendContext): Promise<CacheBackend>;
}

/** What the file of a backend says of it; see {@link defineBackend}. */
export interface BackendSpec<P extends ParameterTable> {
  type: string;
  /** As BuildKit prints it: `exporting cache to registry`. */
  exportName: string;
  /** Its own parameters; the common ones are added. */
  parameters: P;
  /** The common ones that mean something here; default: all. */
  common?: readonly (keyof typeof COMMON_PARAMETERS)[];
  /** What follows `type:` in names, e.g. a reference or `bucket/prefix/name`. */
  target(values: Values<P>, side: Side, env: NodeJS.ProcessEnv): string;
  /** `importing cache manifest from` this; default: the name. */
  importedFrom?(values: Values<P>): string;
  /**
   * Contradictions between parameters.
   * @param env undefined: that of the machine that builds is not known here
   * @param lenient what can be passed over is
   * @throws CairnError USAGE
   */
  check?(
    values: Values<P>,
    side: Side,
    common: CommonValues,
    env: NodeJS.ProcessEnv | undefined,
    lenient: boolean,
  ): void;
  /** Overrides DEFAULT_IMPORT_TIMEOUT_MS and DEFAULT_EXPORT_TIMEOUT_MS. Milliseconds. */
  defaultTimeout?: Partial<Record<Side, number>>;
  limitedByBuildKit?: boolean;
  /**
   * What buildx takes from the client's environment where the entry does not say it (client side, before the
   * request is made). `undefined`: the entry cannot work here and is dropped, with this reason.
   */
  fromEnvironment?(
    attrs: Readonly<Record<string, string>>,
    env: NodeJS.ProcessEnv,
    side: Side,
  ): { attrs: Record<string, string> } | { dropped: string };
  /** Heavy libraries are imported here, not at the head of the file. @throws CairnError */
  open(values: Values<P>, context: BackendContext, side: Side): Promise<CacheBackend>;
}

export interface BackendDefinition {
  readonly type: string;
  /** All parameters, the common ones included. */
  readonly parameters: ParameterTable;
  /** The entry as it is sent, with what the client's environment adds; `dropped`: why it cannot work here. */
  fromEnvironment(
    attrs: Readonly<Record<string, string>>,
    env: NodeJS.ProcessEnv,
    side: Side,
  ): { attrs: Record<string, string> } | { dropped: string };
  /** @throws CairnError USAGE */
  entry(attrs: Readonly<Record<string, string>>, side: Side, options?: EntryOptions): CacheEntry;
}

export interface EntryOptions {
  /** As buildx and BuildKit do: what is unknown or malformed is ignored. */
  lenient?: boolean;
  /** Of the machine that builds, where this is it. */
  env?: NodeJS.ProcessEnv;
}

/** A backend's file exports `backend = defineBackend({…})`; the types of the values follow from its parameters. */
export function defineBackend<const P extends ParameterTable>(spec: BackendSpec<P>): BackendDefinition {
  const common = Object.fromEntries(
    Object.entries(COMMON_PARAMETERS).filter(
      ([name]) => spec.common?.some((known) => known === name) ?? true,
    ),
  );
  const parameters = { ...common, ...spec.parameters };
  return {
    type: spec.type,
    parameters,
    fromEnvironment: (attrs, env, side) =>
      spec.fromEnvironment?.(attrs, env, side) ?? { attrs: { ...attrs } },
    entry(attrs, side, { lenient = false, env } = {}) {
      const options = { type: spec.type, side, lenient };
      const values = checkParameters(parameters, attrs, options);
      const own = values as unknown as Values<P>;
      const common = ofEntry(options, () => {
        const checked = commonValues(
          values as Partial<Values<typeof COMMON_PARAMETERS>>,
          side,
          spec.defaultTimeout?.[side],
        );
        spec.check?.(own, side, checked, env, lenient);
        return checked;
      });
      const name = `${spec.type}:${spec.target(own, side, env ?? {})}`;
      return {
        type: spec.type,
        side,
        name,
        vertexName:
          side === 'to'
            ? spec.exportName
            : `importing cache manifest from ${spec.importedFrom?.(own) ?? name}`,
        common,
        limitedByBuildKit: spec.limitedByBuildKit ?? false,
        open: (context) => spec.open(own, context, side),
      };
    },
  };
}

/** What is wrong with values together, or found by others, says which entry they belong to. */
function ofEntry<T>({ type, side }: { type: string; side: Side }, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof CairnError) || error.hint !== undefined || error.message.includes('--cache-'))
      throw error;
    const { code, message } = error;
    throw new CairnError(message, { code, hint: `see ${FLAGS[side]} type=${type}`, cause: error });
  }
}
