/** The caches that BuildKit exported for the golden builds: same keys in, same records out. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { CacheConfig } from '../cache/contract.ts';
import { exportCache } from '../cache/export.ts';
import type { Digest } from '../content/contract.ts';
import type { Edge } from '../llb/graph.ts';
import { Steps } from './test-graph.ts';

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

/** A record as text: its digest, what leads to it, and whether it has layers. */
function describeRecords(config: CacheConfig): string[] {
  const records = config.records ?? [];
  return records
    .map(({ digest, inputs, layers }) => {
      const links = (inputs ?? []).map((alternatives) =>
        alternatives.map(({ selector, link }) => `${records[link]?.digest} ${selector ?? ''}`).toSorted(),
      );
      return JSON.stringify({ digest, links, layers: (layers ?? []).length > 0 });
    })
    .toSorted();
}

describe('exportCache', () => {
  const open: Steps[] = [];
  after(async () => {
    for (const steps of open) await steps.close();
  });
  for (const file of readdirSync(directory)) {
    const { refs } = JSON.parse(readFileSync(join(directory, file), 'utf8')) as { refs: GoldenRef[] };
    refs.forEach((ref, index) => {
      const expected = ref.exportedCacheConfig;
      if (ref.error !== undefined || expected === undefined) return;
      test(`exports BuildKit's records of ${file} ${index}`, async () => {
        const steps = new Steps();
        open.push(steps);
        const edges = new Map<Digest, Edge>();
        const used = new Set<Digest>();
        const add = (digest: Digest): Edge => {
          const known = edges.get(digest);
          if (known !== undefined) return known;
          const vertex = ref.vertices.find((each) => each.digest === digest);
          assert.ok(vertex, digest);
          const edge = steps.golden(
            vertex.name,
            digest,
            (vertex.cacheMaps[0]?.deps ?? []).map((dep) => {
              used.add(dep.input);
              return { vertex: add(dep.input).vertex, index: dep.outputIndex };
            }),
            vertex.cacheMaps,
          );
          edges.set(digest, edge);
          return edge;
        };
        for (const { digest } of ref.vertices) add(digest);
        const tops = ref.vertices.filter(({ digest }) => !used.has(digest));
        assert.equal(tops.length, 1);
        const session = steps.session();
        const top = add(tops[0]?.digest ?? 'sha256:');
        await session.result(top);
        const exported = await exportCache([await session.exportNode(top)], steps.snapshots, {
          mode: 'max',
          compression: { type: 'gzip' },
        });
        assert.deepEqual(describeRecords(exported.config), describeRecords(expected));
      });
    });
  }
});
