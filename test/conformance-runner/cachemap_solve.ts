/** Solves a definition of the golden data through the engine's parts and records every cache map on the way. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportCache } from '../../src/cache/export.ts';
import type { CacheConfig } from '../../src/cache/contract.ts';
import type { Digest } from '../../src/content/contract.ts';
import { openServices } from '../../src/engine/services.ts';
import { messageOf } from '../../src/errors/error.ts';
import { loadDefinition } from '../../src/llb/definition.ts';
import type { Vertex } from '../../src/llb/graph.ts';
import type { Definition } from '../../src/llb/gen/ops_pb.js';
import type { CacheMap, Op } from '../../src/ops/contract.ts';
import { createOpResolver } from '../../src/ops/resolve.ts';
import { noProgress } from '../../src/progress/events.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import type { ChecksumQuery } from '../../src/snapshots/contenthash/checksum.ts';
import { createSourceResolver } from '../../src/sources/resolver.ts';
import type { BuildClient } from '../../src/engine/contract.ts';

export interface RecordedDep {
  contentDigest?: Digest;
}

export interface RecordedVertex {
  vertex: Vertex;
  /** By index. */
  cacheMaps: { map: CacheMap; done: boolean }[];
  deps: RecordedDep[];
  executed: boolean;
}

export interface SolveRecord {
  /** By digest. */
  vertices: Map<string, RecordedVertex>;
  error?: string;
  /** Of a mode=max export. */
  cache?: CacheConfig;
}

export interface SolveEnvironment {
  /** `127.0.0.1:port` of a registry that has the base images under their repository names. */
  registry: string;
  /** Directory of a local source. */
  localDirectory(name: string): string | undefined;
}

const MIRRORED = ['docker.io', 'gcr.example.com', 'mcr.example.com'];

/** Solves with a fresh store. */
export async function solveRecorded(
  definition: Definition,
  environment: SolveEnvironment,
): Promise<SolveRecord> {
  const root = mkdtempSync(join(tmpdir(), 'cairn-cachemaps-'));
  try {
    return await solveIn(root, definition, environment);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function solveIn(
  root: string,
  definition: Definition,
  environment: SolveEnvironment,
): Promise<SolveRecord> {
  const record: SolveRecord = { vertices: new Map() };
  const edge = loadDefinition(definition);
  if (edge === undefined) return record;
  const config = join(root, 'buildkitd.toml');
  const tables = MIRRORED.map((host) => `[registry."${host}"]\nmirrors = ["${environment.registry}"]\n`);
  writeFileSync(config, `${tables.join('')}[registry."${environment.registry}"]\nhttp = true\n`);
  const services = await openServices({
    root: join(root, 'store'),
    config,
    env: process.env,
    warn: () => {},
  });
  const client = clientOf(environment);
  const registry = createRegistryClient({ credentials: client, hosts: services.hosts });
  const sources = createSourceResolver({ ...services, registry, client });
  const { signal } = new AbortController();
  const resolveOp = createOpResolver({ ...services, sources, secrets: client });
  const session = services.solver.session({
    resolveOp: (vertex) => recording(vertex, resolveOp(vertex), record),
    local: services.keys,
    imports: [],
    progress: noProgress,
    signal,
  });
  try {
    await session.result(edge);
    const node = await session.exportNode(edge);
    const options = { mode: 'max', compression: { type: 'gzip' }, signal } as const;
    record.cache = (await exportCache([node], services.snapshots, options)).config;
  } catch (error) {
    record.error = messageOf(error);
  } finally {
    await session.close();
    sources.close();
    registry.close();
    await services.close();
  }
  return record;
}

function clientOf(environment: SolveEnvironment): BuildClient {
  const none = (): never => {
    throw new Error('nothing is exported to the client');
  };
  return {
    credentials: async () => undefined,
    localDirectory: (name) => environment.localDirectory(name),
    ociLayout: () => undefined,
    upload: () => undefined,
    secret: async (id) => Buffer.from(`value-of-${id}`),
    sshSocket: async () => undefined,
    file: none,
    directory: none,
    cacheDirectory: none,
  };
}

function recording(vertex: Vertex, op: Op, record: SolveRecord): Op {
  const entry: RecordedVertex = record.vertices.get(vertex.digest) ?? {
    vertex,
    cacheMaps: [],
    deps: vertex.inputs.map(() => ({})),
    executed: false,
  };
  record.vertices.set(vertex.digest, entry);
  return {
    ...op,
    async cacheMap(index, context) {
      const result = await op.cacheMap(index, context);
      const deps = result.map.deps.map((dep, i) => {
        const { contentDigest } = dep;
        if (contentDigest === undefined) return dep;
        return {
          ...dep,
          contentDigest: async (...args: Parameters<typeof contentDigest>) => {
            const digest = await contentDigest(...args);
            entry.deps[i] = { ...entry.deps[i], contentDigest: digest };
            return digest;
          },
        };
      });
      entry.cacheMaps[index] = { ...result, map: { ...result.map, deps } };
      return entry.cacheMaps[index];
    },
    run(inputs, context) {
      entry.executed = true;
      return op.run(inputs, context);
    },
  };
}

/** A selector with the golden data's names. */
export function selectorFields(query: ChecksumQuery): Record<string, unknown> {
  const fields = {
    Path: query.path,
    Wildcard: query.wildcard,
    FollowLinks: query.followLinks,
    IncludePatterns: query.includePatterns,
    ExcludePatterns: query.excludePatterns,
    RequiredPaths: query.requiredPaths,
  };
  const given = Object.entries(fields).filter(
    ([, value]) =>
      value !== undefined && value !== false && value !== '' && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(given);
}
