/** The caches of test/conformance, and ways to compare caches, for tests. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ANNOTATION_UNCOMPRESSED, type Descriptor, type Digest } from '../content/contract.ts';
import type { CacheConfig, CacheManifest } from './contract.ts';
import { digestOf } from './test_snapshots.ts';

const directory = join(import.meta.dirname, '../../test/conformance/caches');

/** Configs that BuildKit exported, by `case/file`. */
export function goldenCaches(): Map<string, CacheConfig> {
  const caches = new Map<string, CacheConfig>();
  for (const name of readdirSync(directory)) {
    for (const file of readdirSync(join(directory, name))) {
      if (!/^cache-.*\.json$/.test(file)) continue;
      const text = readFileSync(join(directory, name, file), 'utf8');
      caches.set(`${name}/${file}`, (JSON.parse(text) as { cacheConfig: CacheConfig }).cacheConfig);
    }
  }
  return caches;
}

/** What a backend would make of a config. */
export function manifestOf(config: CacheConfig): CacheManifest {
  const blobs = new Map((config.layers ?? []).map(({ blob }) => [blob, descriptorOf(blob)]));
  return { config, blobs, provider };
}

export const provider: CacheManifest['provider'] = {
  read: () => {
    throw new Error('no blob is read in these tests');
  },
};

export function descriptorOf(digest: Digest): Descriptor {
  return {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest,
    size: 1,
    annotations: { [ANNOTATION_UNCOMPRESSED]: digestOf(`content of ${digest}`) },
  };
}

/** Blobs of a layer and its parents, lowest first. */
export function stackOf(config: CacheConfig, layer: number): Digest[] {
  const stack: Digest[] = [];
  for (let index = layer; index !== -1; index = config.layers?.[index]?.parent ?? 0) {
    stack.unshift(config.layers?.[index]?.blob ?? 'sha256:');
  }
  return stack;
}

/** A config with times in the precision that we have. */
export function inMilliseconds(config: CacheConfig): CacheConfig {
  const records = (config.records ?? []).map((record) => {
    if (record.layers === undefined) return record;
    const layers = record.layers.map(({ layer, createdAt }) => ({
      layer,
      createdAt: new Date(createdAt ?? '').toISOString(),
    }));
    return { ...record, layers };
  });
  return { ...(config.layers === undefined ? {} : { layers: config.layers }), records };
}

/** Where several records or layers share a digest, BuildKit leaves their order to chance. */
export function hasTies({ layers = [], records = [] }: CacheConfig): boolean {
  const twice = (digests: string[]): boolean => new Set(digests).size < digests.length;
  return twice(records.map(({ digest }) => digest)) || twice(layers.map(({ blob }) => blob));
}

/** Every record, described by all that leads to it and by its layers, sorted. */
export function describeRecords(config: CacheConfig, layers: 'stacks' | 'presence'): string[] {
  const records = config.records ?? [];
  const known = new Map<number, string>();
  const describe = (index: number): string => {
    const before = known.get(index);
    if (before !== undefined) return before;
    const record = records[index];
    const inputs = (record?.inputs ?? []).map((alternatives) =>
      alternatives.map(({ selector = '', link }) => `${digestOf(describe(link))} ${selector}`).toSorted(),
    );
    const [result] = record?.layers ?? [];
    const stack = result && (layers === 'presence' ? 'yes' : stackOf(config, result.layer));
    const text = JSON.stringify({ digest: record?.digest, inputs, stack });
    known.set(index, text);
    return text;
  };
  return records.map((_, index) => describe(index)).toSorted();
}
