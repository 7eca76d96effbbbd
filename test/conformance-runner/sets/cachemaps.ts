/**
 * The cachemaps set: each definition is solved by the engine's own sources, solver and executor on a fresh store;
 * every cache map, content digest and exported record is compared.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { recordDigest } from '../../../src/cache/record.ts';
import { DefinitionSchema, type Definition } from '../../../src/llb/gen/ops_pb.js';
import { fromJson } from '@bufbuild/protobuf';
import { OpMetadataSchema } from '../../../src/llb/gen/ops_pb.js';
import { startBaseImageRegistry } from '../../servers/base_images.ts';
import { startGitDaemon } from '../../servers/git_daemon.ts';
import { startWww } from '../../servers/www.ts';
import { preimageText, type GoldenCase, type GoldenRef, type GoldenVertex } from '../cachemap_golden.ts';
import { compareCaches } from '../cachemap_records.ts';
import { selectorFields, solveRecorded, type RecordedVertex, type SolveRecord } from '../cachemap_solve.ts';
import type { ConformanceCase, ConformanceSet } from '../contract.ts';
import { firstDifference } from '../difference.ts';

interface LlbExpected {
  result: { refs: { definition: { ops: { digest: string; raw: string; metadata?: object }[] } }[] };
}

interface Servers {
  registry: string;
  stop(): Promise<void>;
}

let servers: Promise<Servers> | undefined;

export const set: ConformanceSet = {
  cases(dir) {
    const directory = join(dir, 'cachemaps');
    if (!existsSync(directory)) return undefined;
    return readdirSync(directory)
      .filter((file) => file.endsWith('.json'))
      .sort()
      .map((file): ConformanceCase => ({
        name: file.slice(0, -'.json'.length),
        run: () => runCase(dir, join(directory, file)),
      }));
  },
  async close() {
    await (await servers)?.stop();
    servers = undefined;
  },
};

async function startServers(dir: string): Promise<Servers> {
  const registry = await startBaseImageRegistry({}, join(dir, 'base-images/layout'));
  const www = await unlessRunning(() => startWww({ root: join(dir, 'fixtures/www') }));
  const git = await unlessRunning(() => startGitDaemon({ bundle: join(dir, 'fixtures/app.bundle') }));
  return {
    registry: registry.host,
    async stop() {
      await registry.stop();
      await www?.stop();
      await git?.stop();
    },
  };
}

/** The data names fixed ports; another run on this machine serves the same files there. */
async function unlessRunning<T>(start: () => Promise<T>): Promise<T | undefined> {
  try {
    return await start();
  } catch (error) {
    if (/EADDRINUSE|in use|exited/.test(String(error))) return undefined;
    throw error;
  }
}

async function runCase(dir: string, file: string): Promise<string | undefined> {
  servers ??= startServers(dir);
  const { registry } = await servers;
  const golden = JSON.parse(readFileSync(file, 'utf8')) as GoldenCase;
  const caseDir = join(dir, golden.case);
  const { result } = JSON.parse(readFileSync(join(caseDir, 'expected.json'), 'utf8')) as LlbExpected;
  const { contexts } = JSON.parse(readFileSync(join(caseDir, 'case.json'), 'utf8')) as {
    contexts?: Record<string, string>;
  };
  for (const [i, expected] of golden.refs.entries()) {
    const actual = await solveRecorded(definitionOf(result.refs[i]?.definition), {
      registry,
      localDirectory: (name) => {
        const local = contexts?.[name] ?? (name === 'context' ? 'context' : undefined);
        return local === undefined ? undefined : join(caseDir, local);
      },
    });
    const difference = compareRef(expected, actual);
    if (difference !== undefined) return `refs[${i}].${difference}`;
  }
  return undefined;
}

function definitionOf(golden: LlbExpected['result']['refs'][0]['definition'] | undefined): Definition {
  const ops = golden?.ops ?? [];
  return create(DefinitionSchema, {
    def: ops.map(({ raw }) => Buffer.from(raw, 'base64')),
    metadata: Object.fromEntries(
      ops.map(({ digest, metadata }) => [
        digest,
        fromJson(OpMetadataSchema, (metadata ?? {}) as Parameters<typeof fromJson>[1]),
      ]),
    ),
  });
}

function compareRef(expected: GoldenRef, actual: SolveRecord): string | undefined {
  if (expected.error === undefined && actual.error !== undefined) return `error: ${actual.error}`;
  if (expected.error !== undefined) {
    const difference = compareErrors(expected.error, actual.error);
    if (difference !== undefined) return difference;
  }
  for (const vertex of expected.vertices) {
    const recorded = actual.vertices.get(vertex.digest);
    // How far others got before a vertex failed is chance.
    const reached =
      expected.error === undefined ? vertex.cacheMaps.length : (recorded?.cacheMaps.length ?? 0);
    const difference = compareVertex(
      { ...vertex, cacheMaps: vertex.cacheMaps.slice(0, reached) },
      recorded,
      expected,
    );
    if (difference !== undefined) return `vertices[${vertex.name}]: ${difference}`;
  }
  if (expected.exportedCacheConfig === undefined || expected.error !== undefined) return undefined;
  return compareCaches(expected.exportedCacheConfig, actual.cache ?? {}, varyingRecords(expected, actual));
}

/** What a daemon's protocol puts around a message, and what differs from run to run, is taken out. */
function compareErrors(expected: string, actual: string | undefined): string | undefined {
  const plain = (message: string): string =>
    message
      .replace(/^failed to solve: /, '')
      .replace('NotFound: rpc error: code = NotFound desc = ', '')
      // Of several that fail, the first to fail is named: a URL of the same host, a missing path.
      .replace(/Get "(https?:\/\/[^/"]+)[^"]*"/, 'Get "$1"')
      .replace(/(checksum of ref) \S+: ".*?": not found/, '$1 <ref>: not found');
  if (actual === undefined) return `error: the solve should have failed: ${expected}`;
  // The daemon itself went down.
  if (expected.startsWith('failed to receive status: ')) return undefined;
  return firstDifference(plain(expected), plain(actual), 'error');
}

function compareVertex(
  expected: GoldenVertex,
  actual: RecordedVertex | undefined,
  ref: GoldenRef,
): string | undefined {
  const wanted = expected.cacheMaps.map((map) => ({
    digest: map.digest,
    done: map.done,
    volatile: map.volatile ?? false,
    preimage: map.preimage === undefined ? undefined : preimageText(map.preimage),
    deps: map.deps.map((dep) => ({
      input: dep.input,
      outputIndex: dep.outputIndex,
      selector: dep.selector,
      selectorPreimage: preimageText(dep.selectorPreimage),
      contentHash: dep.contentHash,
      contentDigest: dep.contentDigest,
    })),
  }));
  const got = expected.cacheMaps.map(({ index, digest, preimage, deps }) => {
    const recorded = actual?.cacheMaps[index];
    if (recorded === undefined) return undefined;
    const { map, done } = recorded;
    const volatile = map.volatile ?? false;
    return {
      digest: volatile && digest === 'random:*' ? map.digest.replace(/^(random:).*/, '$1*') : map.digest,
      done,
      volatile,
      preimage: preimage === undefined ? undefined : map.preimage,
      deps: map.deps.map((dep, i) => ({
        input: actual?.vertex.inputs[i]?.vertex.digest,
        outputIndex: actual?.vertex.inputs[i]?.index,
        selector: dep.selector ?? '',
        selectorPreimage: dep.selectorPreimage,
        contentHash: dep.contentDigest !== undefined,
        // An answer by definition alone needs no content; which comes first is for the solver to say.
        contentDigest:
          deps[i]?.contentDigest === undefined
            ? undefined
            : contentDigestOf(actual, i, deps[i].contentDigest, ref),
      })),
    };
  });
  // An empty list on both sides has nothing to compare.
  const difference = firstDifference(wanted, got);
  return difference ?? compareSelectors(expected, actual, ref);
}

/** The index of a git repository holds the inode numbers and times of its checkout: no two are equal. */
function hasGitIndex({ vertex }: RecordedVertex, input: number): boolean {
  const source = vertex.inputs[input]?.vertex.op.op;
  return source?.case === 'source' && source.value.attrs['git.keepgitdir'] === 'true';
}

/** Records of content digests that cannot be compared. */
function varyingRecords(expected: GoldenRef, actual: SolveRecord): Set<string> {
  const digests = expected.vertices.flatMap(({ digest, cacheMaps }) => {
    const recorded = actual.vertices.get(digest);
    return cacheMaps.flatMap(({ deps }) =>
      deps.flatMap((dep, i) =>
        recorded !== undefined && hasGitIndex(recorded, i)
          ? [dep.contentDigest, recorded.deps[i]?.contentDigest]
          : [],
      ),
    );
  });
  return new Set(digests.flatMap((digest) => (digest === undefined ? [] : [recordDigest(digest, -1)])));
}

/** What was computed, or the golden digest itself where it cannot be compared. */
function contentDigestOf(
  actual: RecordedVertex | undefined,
  input: number,
  golden: string,
  ref: GoldenRef,
): string {
  if (actual !== undefined && hasGitIndex(actual, input)) return golden;
  return actual?.deps[input]?.contentDigest ?? (ref.error === undefined ? 'not computed' : golden);
}

/** Where two inputs have the same content digest, the data names the selectors of one of them for both. */
function compareSelectors(
  expected: GoldenVertex,
  actual: RecordedVertex | undefined,
  ref: GoldenRef,
): string | undefined {
  const all = ref.vertices.flatMap((vertex) => vertex.cacheMaps.flatMap((map) => map.deps));
  for (const map of expected.cacheMaps) {
    for (const [i, dep] of map.deps.entries()) {
      if (dep.contentSelectors === undefined) continue;
      const got = actual?.cacheMaps[map.index]?.map.deps[i]?.contentSelectors?.map(selectorFields);
      const difference = firstDifference(dep.contentSelectors, got, `deps[${i}].contentSelectors`);
      const shared = all.filter((other) => other.contentDigest === dep.contentDigest).length > 1;
      if (difference !== undefined && !shared) return difference;
    }
  }
  return undefined;
}
