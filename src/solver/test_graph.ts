/** Graphs of small ops in memory, for tests of the solver. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CacheExportMode, KeySource, KeyStore } from '../cache/contract.ts';
import { exportCache } from '../cache/export.ts';
import { provider } from '../cache/golden_caches.ts';
import { importedKeySource } from '../cache/imported.ts';
import { createLocalKeyStore } from '../cache/local.ts';
import { CACHE_TABLES } from '../cache/tables.ts';
import { digestOf, layersOf, testSnapshots, type TestSnapshots } from '../cache/test_snapshots.ts';
import type { Digest } from '../content/contract.ts';
import type { Edge, Vertex } from '../llb/graph.ts';
import { OpMetadataSchema, OpSchema } from '../llb/gen/ops_pb.js';
import type { CacheMap, Op, OpContext } from '../ops/contract.ts';
import { noProgress, type ProgressSink, type VertexEvent } from '../progress/events.ts';
import type { Snapshot, Tree } from '../snapshots/contract.ts';
import type { Store } from '../store/contract.ts';
import { openStore } from '../store/open.ts';
import type { Solver, SolveSession } from './contract.ts';
import { createSolver } from './session.ts';

export interface StepOptions {
  /** Text of the key; sources may have several. Default: the name. */
  keys?: string[];
  volatile?: boolean;
  /** Inputs that are keyed by content, too; the content of a tree is its topmost layer. */
  content?: number[];
  selectors?: Record<number, string>;
  ignoreCache?: boolean;
  /** The layer that running it adds. Default: the name. Empty: none. */
  layer?: string;
  outputs?: number;
  run?: (context: OpContext) => Promise<void>;
  cacheMap?: (index: number) => Promise<void>;
  acquire?: () => Promise<() => void>;
  /** A path that the content lacks. */
  missing?: string;
  merge?: boolean;
  /** A source that is an image. */
  image?: boolean;
}

/** A cache map of the golden data. */
export interface GoldenMap {
  digest: Digest;
  volatile?: boolean;
  deps: { selector: Digest | ''; contentDigest?: Digest }[];
}

/** A workshop of steps over one store, as several builds would use it. */
export class Steps {
  readonly snapshots: TestSnapshots = testSnapshots();
  readonly solver: Solver = createSolver();
  readonly directory: string;
  readonly store: Store;
  readonly local: KeyStore;
  /** Names of the steps that ran, in order. */
  readonly ran: string[] = [];
  /** `step input` of each content digest that was computed. */
  readonly hashed: string[] = [];
  /** `step index` of each cache map that was computed. */
  readonly mapped: string[] = [];
  readonly events: VertexEvent[] = [];
  readonly #options = new Map<Digest, StepOptions>();
  readonly #maps = new Map<Digest, readonly GoldenMap[]>();
  readonly #sessions: SolveSession[] = [];

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'cairn-solver-'));
    this.store = openStore(this.directory, [CACHE_TABLES]);
    this.local = createLocalKeyStore(this.store, this.snapshots);
  }

  /** A step called `name`; its digest is made of name, inputs and `salt`. */
  step(name: string, inputs: readonly Edge[] = [], options: StepOptions = {}, salt = ''): Edge {
    const digest = digestOf(
      JSON.stringify([name, inputs.map((input) => [input.vertex.digest, input.index]), options.keys, salt]),
    );
    const vertex: Vertex = {
      digest,
      op: create(OpSchema, opOf(name, options)),
      metadata: create(OpMetadataSchema, { ignoreCache: options.ignoreCache ?? false }),
      inputs,
      name,
    };
    this.#options.set(digest, options);
    return { vertex, index: 0 };
  }

  /** A step with cache maps that are given, and known digests of content. */
  golden(name: string, digest: Digest, inputs: readonly Edge[], maps: readonly GoldenMap[]): Edge {
    const vertex: Vertex = {
      digest,
      op: create(OpSchema),
      metadata: create(OpMetadataSchema),
      inputs,
      name,
    };
    this.#maps.set(digest, maps);
    return { vertex, index: 0 };
  }

  session(
    options: { imports?: KeySource[]; signal?: AbortSignal; progress?: ProgressSink } = {},
  ): SolveSession {
    const session = this.solver.session({
      resolveOp: (vertex) => this.#op(vertex),
      local: this.local,
      imports: options.imports ?? [],
      progress: options.progress ?? { ...noProgress, vertex: (event) => this.events.push(event) },
      signal: options.signal ?? new AbortController().signal,
    });
    this.#sessions.push(session);
    return session;
  }

  /** One build; @returns the layers of the result. */
  async build(edge: Edge, options: { imports?: KeySource[] } = {}): Promise<string[]> {
    this.ran.length = this.hashed.length = this.mapped.length = 0;
    const session = this.session(options);
    try {
      const tree = await session.result(edge);
      return tree?.kind === 'snapshot' ? layersOf(tree) : [];
    } finally {
      await session.close();
    }
  }

  /** The cache of a build, as another workshop would import it. */
  async exported(
    edge: Edge,
    mode: CacheExportMode,
    name = `${mode} cache`,
  ): Promise<(to: Steps) => KeySource> {
    const session = this.session();
    try {
      await session.result(edge);
      const nodes = [await session.exportNode(edge)];
      const { config, blobs } = await exportCache(nodes, this.snapshots, {
        mode,
        compression: { type: 'gzip' },
      });
      const descriptors = new Map([...blobs].map(([digest, { descriptor }]) => [digest, descriptor]));
      const manifest = { config, blobs: descriptors, provider };
      return (to) => importedKeySource(manifest, name, to.snapshots, assert.fail);
    } finally {
      await session.close();
    }
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) await session.close();
    this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #op(vertex: Vertex): Op {
    const options = this.#options.get(vertex.digest) ?? {};
    const keys = options.keys ?? [vertex.name];
    return {
      ...(options.acquire === undefined ? {} : { acquire: options.acquire }),
      cacheMap: async (index) => {
        this.mapped.push(`${vertex.name} ${index}`);
        await options.cacheMap?.(index);
        const golden = this.#maps.get(vertex.digest);
        if (golden !== undefined) return { map: goldenMap(golden[index]), done: index === golden.length - 1 };
        const map: CacheMap = {
          digest: digestOf(keys[index] ?? ''),
          ...(options.volatile === true ? { volatile: true } : {}),
          deps: vertex.inputs.map((_, input) => ({
            ...(options.selectors?.[input] === undefined
              ? {}
              : { selector: digestOf(options.selectors[input]) }),
            ...(options.content?.includes(input) === true
              ? {
                  contentDigest: (tree: Tree | undefined) => {
                    this.hashed.push(`${vertex.name} ${input}`);
                    if (options.missing !== undefined) {
                      return Promise.reject(new Error(`${JSON.stringify(options.missing)}: not found`));
                    }
                    return Promise.resolve(
                      digestOf(`content ${tree?.kind === 'snapshot' ? tree.layers.at(-1)?.diffID : ''}`),
                    );
                  },
                }
              : {}),
          })),
        };
        return { map, done: index === keys.length - 1 };
      },
      run: async (inputs, context) => {
        this.ran.push(vertex.name);
        await options.run?.(context);
        const base = inputs[0]?.kind === 'snapshot' ? layersOf(inputs[0]) : [];
        const layer = options.layer ?? vertex.name;
        const output = (index: number): Snapshot =>
          this.snapshots.make(...base, ...(layer === '' ? [] : [index === 0 ? layer : `${layer}.${index}`]));
        return Array.from({ length: options.outputs ?? 1 }, (_, index) => output(index));
      },
    };
  }
}

function opOf(name: string, { merge, image }: StepOptions): MessageInitShape<typeof OpSchema> {
  if (image === true) return { op: { case: 'source', value: { identifier: `docker-image://${name}` } } };
  return merge === true ? { op: { case: 'merge', value: {} } } : {};
}

function goldenMap(map: GoldenMap | undefined): CacheMap {
  if (map === undefined) throw new Error('no such cache map');
  return {
    digest: map.digest,
    volatile: map.volatile ?? false,
    deps: map.deps.map(({ selector, contentDigest }) => ({
      ...(selector === '' ? {} : { selector }),
      ...(contentDigest === undefined ? {} : { contentDigest: () => Promise.resolve(contentDigest) }),
    })),
  };
}
