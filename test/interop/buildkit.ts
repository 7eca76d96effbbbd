/** What the tests ask of a BuildKit, whichever program it is a part of. */

/** Beginnings of steps' names, sorted, FROM left out. */
export interface Steps {
  hit: string[];
  run: string[];
}

export interface BuildKitOptions {
  /** Entries of `--cache-from` and `--cache-to`. */
  from?: string[];
  to?: string[];
  buildArgs?: Record<string, string>;
  /** Default: that of the machine. */
  platforms?: string[];
  /** Image to push; default: the result is dropped. */
  push?: string;
}

export interface BuildKit {
  /**
   * Builds the project at `directory`.
   * @throws Error with the log when the build fails
   */
  build(directory: string, options?: BuildKitOptions): Promise<Steps>;
  /** Forgets all that was built. */
  prune(): Promise<void>;
  stop(): Promise<void>;
}

/** A program that BuildKit is a part of. */
export interface BuildKitProgram {
  name: string;
  /** Why its tests are skipped. */
  skip: string | false;
  /** Network mode of its RUN steps, which is part of their keys: cairn has to build with the same. */
  network: 'default' | 'none';
  /** False where an export with compression=estargz makes it crash. */
  writesEstargz: boolean;
  /** @param registry `host:port`, plain http, that stands in for docker.io */
  start: (registry: string) => Promise<BuildKit>;
}

interface Vertex {
  digest: string;
  name: string;
  cached?: boolean;
}

/** From `--progress rawjson`. Later events tell more of a vertex than earlier ones; COPY --link has a second one. */
export function stepsOf(rawjson: string): Steps {
  const vertexes = new Map<string, { name: string; cached: boolean }>();
  for (const line of rawjson.split('\n')) {
    if (!line.startsWith('{')) continue;
    const event = JSON.parse(line) as { vertexes?: Vertex[] };
    for (const { digest, name, cached = false } of event.vertexes ?? []) {
      const step = /^\[.*\d+\/\d+\] (?!FROM |LINK )(.{11})/.exec(name)?.[1];
      if (step === undefined) continue;
      vertexes.set(digest, { name: step, cached: cached || vertexes.get(digest)?.cached === true });
    }
  }
  const all = [...vertexes.values()];
  const run = new Set(all.filter(({ cached }) => !cached).map(({ name }) => name));
  const hit = new Set(all.map(({ name }) => name).filter((name) => !run.has(name)));
  return { hit: [...hit].toSorted(), run: [...run].toSorted() };
}
