/** From an export to what a backend stores: the blobs in parallel, then the manifest. */
import type { BlobProvider, Descriptor, Digest } from '../../content/contract.ts';
import { OCI_MANIFEST } from '../../content/media_types.ts';
import { verified } from '../../content/verify.ts';
import { CairnError, messageOf } from '../../errors/error.ts';
import type { VertexProgress } from '../../progress/events.ts';
import { startStatus } from '../../progress/vertex.ts';
import type { CacheManifest, ExportedCache } from '../contract.ts';
import { uniteExport, withoutBlobs } from '../unite.ts';
import type { CacheBackend, CacheEntry, Published } from './contract.ts';
import { BUILDKIT_MAX_BYTES, MAX_PUBLISH_ATTEMPTS, PARALLEL_WRITES } from './limits.ts';
import { backoffPause } from './retry.ts';

export interface PublishContext {
  entry: CacheEntry;
  backend: CacheBackend;
  progress: VertexProgress;
  signal: AbortSignal;
  warn: (message: string) => void;
}

/**
 * Stores an export under every name of the entry. Layers that cannot be read are left out, with the results that
 * need them; nothing is written when it would change nothing.
 *
 * @returns response metadata
 * @throws CairnError when the backend cannot be written
 */
export async function publishCache(
  cache: ExportedCache,
  context: PublishContext,
): Promise<Record<string, string>> {
  const { backend, progress, signal } = context;
  if (cache.blobs.size === 0) {
    startStatus(progress, 'skipping cache export for empty result')();
    return {};
  }
  const names = await backend.names(signal);
  const writer = new BlobWriter(context);
  const metadata: Record<string, string> = {};
  for (const name of names) {
    const published = context.entry.common.merge
      ? await merge(cache, name, writer, context)
      : await replace(cache, name, writer, context);
    Object.assign(metadata, published.metadata);
    warnOfSize(published, context);
  }
  await backend.finish?.(signal);
  return metadata;
}

async function replace(
  cache: ExportedCache,
  name: string,
  writer: BlobWriter,
  context: PublishContext,
): Promise<Published> {
  const { backend, signal } = context;
  const [same] = await Promise.all([
    backend.unchanged?.(cache, name, signal),
    // Asked at the same time: of a manifest alone nothing follows.
    backend.blobsMayExpire === true ? writer.look(cache) : undefined,
  ]);
  if (same !== undefined && (backend.blobsMayExpire !== true || writer.hasAll(cache))) {
    showManifest(same, context.progress);
    return same;
  }
  const whole = await writer.write(cache);
  try {
    return await publish(whole, name, context);
  } catch (error) {
    // A service that was wrong about what it has says so now at the latest.
    const wrong = writer.trusted && backend.blobsMayExpire !== true && error instanceof CairnError;
    if (signal.aborted || !wrong) throw error;
    return publish(await writer.write(cache, { trust: false }), name, context);
  }
}

/** Unites with what is there, again whenever another writer was faster. */
async function merge(
  cache: ExportedCache,
  name: string,
  writer: BlobWriter,
  context: PublishContext,
): Promise<Published> {
  const { backend, signal, warn } = context;
  for (let attempt = 1; ; attempt++) {
    let there: CacheManifest | undefined;
    try {
      there = await backend.resolve(name, signal);
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'CORRUPT') throw error;
      warn(`cache ${context.entry.name}: what is there is damaged and is replaced: ${error.message}`);
      return replace(cache, name, writer, context);
    }
    const united =
      there === undefined
        ? cache
        : uniteExport(cache, there, (message) =>
            warn(`cache ${context.entry.name}: what is there: ${message}`),
          );
    const sure = backend.blobsMayExpire === true ? undefined : there;
    const whole = await writer.write(united, { there: new Set(sure?.blobs.keys()) });
    const published = await publish(whole, name, context, { version: there?.version });
    if (published.status !== 'conflict') return published;
    if (attempt >= MAX_PUBLISH_ATTEMPTS) {
      throw new CairnError(`other writers were faster ${attempt} times: nothing was merged`, {
        code: 'UNAVAILABLE',
        hint: 'let fewer builds write to this cache at once',
      });
    }
    await backoffPause(attempt, signal);
  }
}

async function publish(
  cache: ExportedCache,
  name: string,
  { backend, progress, signal }: PublishContext,
  expected?: { version: string | undefined },
): Promise<Published> {
  const started = new Date();
  const published = await backend.publish(cache, name, {
    signal,
    ...(expected === undefined ? {} : { expected }),
  });
  showManifest(published, progress, started);
  return published;
}

/** As BuildKit shows it; what was not written is said to be unchanged. */
function showManifest(
  { status, digest, descriptor, config }: Published,
  progress: VertexProgress,
  started = new Date(),
): void {
  if (digest === undefined || status === 'conflict') return;
  const what =
    descriptor === undefined
      ? 'config'
      : descriptor.mediaType === OCI_MANIFEST
        ? 'cache image manifest'
        : 'cache manifest';
  const times = { name: '', current: 0, total: 0, started, completed: new Date() };
  if (status === 'written' && config !== undefined)
    progress.status({ id: `writing config ${config}`, ...times });
  const id = status === 'unchanged' ? `${what} ${digest} is unchanged` : `writing ${what} ${digest}`;
  progress.status({ id, ...times });
}

function warnOfSize({ sizes }: Published, { entry, warn }: PublishContext): void {
  if (!entry.limitedByBuildKit || sizes === undefined) return;
  const [what, size] =
    sizes.config >= sizes.manifest ? ['config', sizes.config] : ['manifest', sizes.manifest];
  if (size <= BUILDKIT_MAX_BYTES) return;
  warn(
    `cache ${entry.name}: its ${what} has ${size} bytes: cairn can import it, BuildKit reads at most ` +
      `${BUILDKIT_MAX_BYTES} and will find nothing`,
  );
}

/** Writes each blob once, whatever caches name it. */
class BlobWriter {
  readonly #context: PublishContext;
  readonly #stored = new Set<Digest>();
  /** Those of which the backend says that it has them, and all that it was asked for. */
  readonly #found = new Set<Digest>();
  readonly #asked = new Set<Digest>();
  /** Why a blob cannot be read. */
  readonly #lost = new Map<Digest, unknown>();
  /** Some blobs were not written because the backend said that it has them. */
  trusted = false;

  constructor(context: PublishContext) {
    this.#context = context;
  }

  /** Asks once which blobs are there. */
  async look(cache: ExportedCache, known?: ReadonlySet<Digest>): Promise<void> {
    const unknown = this.#wanted(cache, known).filter(({ digest }) => !this.#asked.has(digest));
    if (unknown.length === 0) return;
    const found = await this.#context.backend.has(unknown, this.#context.signal);
    for (const { digest } of unknown) this.#asked.add(digest);
    for (const digest of found) this.#found.add(digest);
  }

  /** Whether nothing is left to be written, as far as {@link look} has seen. */
  hasAll(cache: ExportedCache): boolean {
    return [...cache.blobs.keys()].every((digest) => this.#stored.has(digest) || this.#found.has(digest));
  }

  /** What is neither written already nor known to be unreadable. */
  #wanted({ blobs }: ExportedCache, known?: ReadonlySet<Digest>): Descriptor[] {
    return [...blobs.values()]
      .map(({ descriptor }) => descriptor)
      .filter(
        ({ digest }) => !this.#stored.has(digest) && !this.#lost.has(digest) && known?.has(digest) !== true,
      );
  }

  /**
   * Stores what is not there.
   * @param options.there blobs that are known to be there
   * @param options.trust false: writes blobs, too, that the backend says to have
   * @returns the export without what cannot be read
   */
  async write(
    cache: ExportedCache,
    { there, trust = true }: { there?: ReadonlySet<Digest>; trust?: boolean } = {},
  ): Promise<ExportedCache> {
    const { backend, signal } = this.#context;
    if (trust) await this.look(cache, there);
    const wanted = new Set(this.#wanted(cache, there).map(({ digest }) => digest));
    const found = [...wanted].filter((digest) => trust && this.#found.has(digest));
    this.trusted = found.length > 0;
    for (const digest of found) wanted.delete(digest);
    const missing = [...cache.blobs.values()].filter(({ descriptor }) => wanted.has(descriptor.digest));
    await inParallel(missing, backend.parallelWrites ?? PARALLEL_WRITES, signal, (blob, stop) =>
      this.#writeOne(blob, stop),
    );
    return [...cache.blobs.keys()].some((digest) => this.#lost.has(digest))
      ? withoutBlobs(cache, new Set(this.#lost.keys()))
      : cache;
  }

  async #writeOne(
    { descriptor, provider }: { descriptor: Descriptor; provider: BlobProvider },
    signal: AbortSignal,
  ): Promise<void> {
    const { backend, progress, warn, entry } = this.#context;
    const { digest, size } = descriptor;
    const status = { id: `writing layer ${digest}`, name: '', started: new Date() };
    progress.status({ ...status, current: 0, total: 0 });
    let unreadable: unknown;
    const source: BlobProvider = {
      async *read(blob, options) {
        try {
          const bytes = provider.read(blob, options);
          yield* options?.range === undefined ? verified(bytes, blob) : bytes;
        } catch (error) {
          unreadable = error;
          throw error;
        }
      },
    };
    try {
      await backend.write(descriptor, source, {
        signal,
        onProgress: (current) => progress.status({ ...status, current, total: size }),
      });
      this.#stored.add(digest);
    } catch (error) {
      if (signal.aborted || unreadable === undefined) throw error;
      this.#lost.set(digest, unreadable);
      warn(
        `cache ${entry.name}: layer ${digest} cannot be read and is left out, ` +
          `with the results that need it: ${messageOf(unreadable)}`,
      );
    } finally {
      progress.status({ ...status, current: 0, total: 0, completed: new Date() });
    }
  }
}

/** Runs `work` for each item, so many at once. The first failure stops the others and is thrown when they stopped. */
async function inParallel<T>(
  items: readonly T[],
  limit: number,
  signal: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const lane = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      stop.throwIfAborted();
      try {
        await work(item, stop);
      } catch (error) {
        if (!stop.aborted) failed.abort(error);
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, lane));
  signal.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  const rejected = lanes.find((each) => each.status === 'rejected');
  if (rejected !== undefined) throw rejected.reason;
}
