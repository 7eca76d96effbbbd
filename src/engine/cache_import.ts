/** One entry of `--cache-from`. */
import type { CacheBackend, CacheEntry } from '../cache/backends/contract.ts';
import { BLOB_PATIENCE_MS } from '../cache/backends/limits.ts';
import type { KeySource } from '../cache/contract.ts';
import { guardedProvider } from '../cache/guarded.ts';
import { importedKeySource, lazyKeySource, type CacheWarning } from '../cache/imported.ts';
import { uniteManifests } from '../cache/unite.ts';
import type { Digest } from '../content/contract.ts';
import { CairnError, hintOf, messageOf } from '../errors/error.ts';
import type { VertexProgress } from '../progress/events.ts';
import { runVertex, startStatus } from '../progress/vertex.ts';
import type { RegistryClient } from '../registry/contract.ts';
import type { DamagedBlobError } from '../content/damaged_blob.ts';
import type { BuildContext } from './build.ts';
import { backendContext, warner } from './cache_context.ts';

/** After these, other blobs of the cache cannot be had either. */
const OUT_OF_REACH: readonly string[] = ['UNAVAILABLE', 'TIMEOUT', 'DENIED'];
/** Blobs of one cache that could not be read, after which nothing more of it is used. */
const MAX_LOST_BLOBS = 16;

export class CacheImport {
  readonly source: KeySource;
  readonly #entry: CacheEntry;
  readonly #context: BuildContext;
  readonly #registry: RegistryClient;
  readonly #closing: AbortSignal;
  readonly #warn: CacheWarning;
  readonly #lost = new Set<Digest>();
  #givenUp = false;
  #blobs: readonly Digest[] = [];

  constructor(entry: CacheEntry, context: BuildContext, registry: RegistryClient, closing: AbortSignal) {
    this.#entry = entry;
    this.#context = context;
    this.#registry = registry;
    this.#closing = closing;
    this.#warn = warner(context.progress);
    const found = lazyKeySource(entry.name, () => this.#find(), this.#warn);
    this.source = {
      ...found,
      results: (key) =>
        found
          .results(key)
          .filter(({ layers }) => !this.#givenUp && layers?.some((layer) => this.#lost.has(layer)) !== true),
    };
  }

  lose({ code, digest, message }: CairnError & { digest: Digest }): void {
    const { snapshots } = this.#context.services;
    this.#lost.add(digest);
    const outOfReach = OUT_OF_REACH.includes(code) || this.#lost.size >= MAX_LOST_BLOBS;
    if (outOfReach) this.#givenUp = true;
    const forgotten = outOfReach ? this.#blobs : [digest];
    for (const each of forgotten) snapshots.forgetProvider(each);
    const rest = outOfReach ? '; nothing more of this cache is used' : '; what needs it is built';
    this.#warn(message + rest);
  }

  /** Whether the blob is this cache's; one that was lost before is not any more. */
  loseDamaged({ digest, message }: DamagedBlobError): boolean {
    if (this.#lost.has(digest) || !this.#blobs.includes(digest)) return false;
    const { name } = this.#entry;
    const error = new CairnError(`${message} (it is of cache ${name})`, { code: 'CORRUPT' });
    this.lose(Object.assign(error, { digest }));
    this.#context.services.snapshots.disbelieve(digest);
    return true;
  }

  async #find(): Promise<KeySource | undefined> {
    const { progress, signal } = this.#context;
    const { common, vertexName } = this.#entry;
    const timeout = AbortSignal.timeout(common.timeout);
    const stop = AbortSignal.any([signal, this.#closing, timeout]);
    return runVertex(progress, vertexName, async (vertex) => {
      try {
        return await this.#open(vertex, stop);
      } catch (error) {
        // Nobody needs the answer any more.
        if (this.#closing.aborted || signal.aborted) return undefined;
        if (!timeout.aborted) throw error;
        throw new CairnError(`no answer within ${common.timeout / 1000} s`, {
          code: 'TIMEOUT',
          cause: error,
        });
      }
    });
  }

  async #open(progress: VertexProgress, signal: AbortSignal): Promise<KeySource | undefined> {
    const { name } = this.#entry;
    const backend = await this.#entry.open(
      backendContext(this.#context, this.#registry, this.#entry, this.#warn),
    );
    const names = await backend.names(signal);
    const found = (
      await Promise.all(names.map((each) => this.#resolve(backend, each, names, signal)))
    ).filter((manifest) => manifest !== undefined);
    if (found.length === 0) {
      startStatus(progress, 'no cache found')();
      return undefined;
    }
    for (const { mediaType } of found)
      if (mediaType !== undefined) startStatus(progress, `inferred cache manifest type: ${mediaType}`)();
    const manifest = uniteManifests(found);
    this.#blobs = [...manifest.blobs.keys()];
    const patience = Math.min(BLOB_PATIENCE_MS, this.#entry.common.timeout);
    return importedKeySource(
      { ...manifest, provider: guardedProvider(manifest.provider, name, patience) },
      name,
      this.#context.services.snapshots,
      this.#warn,
    );
  }

  /** Of several manifests, one that cannot be read does not spoil the others. */
  async #resolve(
    backend: CacheBackend,
    name: string,
    names: readonly string[],
    signal: AbortSignal,
  ): ReturnType<CacheBackend['resolve']> {
    try {
      return await backend.resolve(name, signal);
    } catch (error) {
      if (signal.aborted || names.length === 1) throw error;
      this.#warn(`cache ${this.#entry.name}: ${name} cannot be imported: ${messageOf(error)}`, hintOf(error));
      return undefined;
    }
  }
}
