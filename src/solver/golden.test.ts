/** The caches that BuildKit exported for the golden builds: same keys in, same records out. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { CacheConfig } from '../cache/contract.ts';
import { exportCache } from '../cache/export.ts';
import { describeRecords, manifestOf } from '../cache/golden_caches.ts';
import { importedKeySource } from '../cache/imported.ts';
import type { Digest } from '../content/contract.ts';
import type { Edge } from '../llb/graph.ts';
import { Steps } from './test_graph.ts';

const directory = join(import.meta.dirname, '../../test/conformance/cachemaps');

interface GoldenMap {
  digest: Digest;
  volatile?: boolean;
  done: boolean;
  deps: { input: Digest; outputIndex: number; selector: Digest | ''; contentDigest?: Digest }[];
}
interface GoldenRef {
  error?: string;
  vertices: { digest: Digest; name: string; executed: boolean; cacheMaps: GoldenMap[] }[];
  exportedCacheConfig?: CacheConfig;
}

/** The build of a case, in a workshop of its own. */
function graphOf(ref: GoldenRef, steps: Steps): Edge {
  const edges = new Map<Digest, Edge>();
  const used = new Set<Digest>();
  const add = (digest: Digest): Edge => {
    const known = edges.get(digest);
    if (known !== undefined) return known;
    const vertex = ref.vertices.find((each) => each.digest === digest);
    assert.ok(vertex, digest);
    const inputs = (vertex.cacheMaps[0]?.deps ?? []).map((dep) => {
      used.add(dep.input);
      return { vertex: add(dep.input).vertex, index: dep.outputIndex };
    });
    const edge = steps.golden(vertex.name, digest, inputs, vertex.cacheMaps);
    edges.set(digest, edge);
    return edge;
  };
  for (const { digest } of ref.vertices) add(digest);
  const tops = [...edges].filter(([digest]) => !used.has(digest)).map(([, edge]) => edge);
  assert.equal(tops.length, 1);
  return tops[0] as Edge;
}

describe('a golden build', () => {
  const open: Steps[] = [];
  const workshop = (): Steps => {
    const steps = new Steps();
    open.push(steps);
    return steps;
  };
  after(async () => {
    for (const steps of open) await steps.close();
  });
  for (const file of readdirSync(directory)) {
    const { refs } = JSON.parse(readFileSync(join(directory, file), 'utf8')) as { refs: GoldenRef[] };
    refs.forEach((ref, index) => {
      const expected = ref.exportedCacheConfig;
      if (ref.error !== undefined || expected === undefined) return;
      test(`is exported with BuildKit's records: ${file} ${index}`, async () => {
        const steps = workshop();
        const edge = graphOf(ref, steps);
        const session = steps.session();
        await session.result(edge);
        const exported = await exportCache([await session.exportNode(edge)], steps.snapshots, {
          mode: 'max',
          compression: { type: 'gzip' },
        });
        assert.deepEqual(describeRecords(exported.config, 'presence'), describeRecords(expected, 'presence'));
      });

      test(`finds every step in BuildKit's cache: ${file} ${index}`, async () => {
        const steps = workshop();
        const cache = importedKeySource(manifestOf(expected), 'golden', steps.snapshots, assert.fail);
        await steps.build(graphOf(ref, steps), { imports: [cache] });
        const sources = ref.vertices.filter(({ cacheMaps }) => cacheMaps[0]?.deps.length === 0);
        const names = new Set(sources.map(({ name }) => name));
        assert.deepEqual(
          steps.ran.filter((name) => !names.has(name)),
          [],
        );
      });
    });
  }
});
