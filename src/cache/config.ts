/** From records in memory to a cache config (BuildKit cache/remotecache/v1, v0.32.2), and to its bytes. */
import type { Descriptor, Remote } from '../content/contract.ts';
import type { Chains, ChainResult } from './chains.ts';
import type { CacheConfig, CacheConfigLayer, CacheConfigRecord, ExportedCache } from './contract.ts';
import { compare, orderRecords } from './order.ts';

/** Media type of a cache config's blob. */
export const CACHE_CONFIG_MEDIA_TYPE = 'application/vnd.buildkit.cacheconfig.v0';

/** A result that can be read. */
export interface RemoteResult extends ChainResult {
  remote: Remote;
}

export function remoteResult(createdAt: Date, remote: Remote): RemoteResult {
  return { createdAt, remote, id: remote.descriptors.map(({ digest }) => digest).join(' ') };
}

/** The config of a cache of these records, each with its newest result, and the blobs that it names. */
export function toCacheConfig(chains: Chains<RemoteResult>): ExportedCache {
  const records = orderRecords(chains.ends());
  const blobs: ExportedCache['blobs'] = new Map();
  const layers = new LayerTable();
  for (const { source } of records) {
    const { result } = source;
    if (result === undefined) continue;
    const { descriptors, provider } = result.remote;
    const oci = descriptors.map(toOciLayer);
    layers.add(oci);
    for (const descriptor of oci) blobs.set(descriptor.digest, { descriptor, provider });
  }
  const { list, indexes } = layers.sorted();
  const positions = new Map(records.map((record, index) => [record, index]));
  const written = records.map(({ source, inputs }): CacheConfigRecord => {
    const name = source.result && chainName(source.result.remote.descriptors.map(toOciLayer));
    const layer = name === undefined ? undefined : indexes.get(name);
    const links = inputs.map((alternatives) =>
      alternatives
        .map(({ record, selector }) => ({ selector, link: positions.get(record) ?? -1 }))
        .toSorted((a, b) => a.link - b.link || compare(a.selector, b.selector))
        .map(({ selector, link }) => (selector === '' ? { link } : { selector, link })),
    );
    const results =
      layer === undefined || source.result === undefined
        ? undefined
        : [{ layer, createdAt: source.result.createdAt.toISOString() }];
    return {
      ...(results === undefined ? {} : { layers: results }),
      digest: source.digest,
      ...(links.length === 0 ? {} : { inputs: links }),
    };
  });
  const config: CacheConfig = {
    ...(list.length === 0 ? {} : { layers: list }),
    ...(written.length === 0 ? {} : { records: written }),
  };
  return { config, blobs };
}

/** The bytes that are stored; fields in the order of Go's encoding/json. */
export function encodeCacheConfig(config: CacheConfig): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(config));
}

/** Layers with their parents; a layer over other parents is another layer. */
class LayerTable {
  /** By {@link chainName}. */
  readonly #chains = new Map<string, readonly Descriptor[]>();

  add(descriptors: readonly Descriptor[]): void {
    for (let length = descriptors.length; length > 0; length--) {
      const chain = descriptors.slice(0, length);
      const name = chainName(chain);
      if (name === undefined || this.#chains.has(name)) return;
      this.#chains.set(name, chain);
    }
  }

  sorted(): { list: CacheConfigLayer[]; indexes: Map<string, number> } {
    const chains = [...this.#chains].toSorted(([a], [b]) => compare(a, b));
    const indexes = new Map(chains.map(([name], index) => [name, index]));
    const list = chains.map(([, chain]): CacheConfigLayer => {
      const [top] = chain.slice(-1);
      const below = chainName(chain.slice(0, -1));
      const parent = below === undefined ? -1 : (indexes.get(below) ?? -1);
      if (top === undefined) throw new Error('a chain has at least one layer');
      return parent === 0 ? { blob: top.digest } : { blob: top.digest, parent };
    });
    return { list, indexes };
  }
}

/** Topmost digest first, so that sorting by name sorts by blob; undefined without layers. */
function chainName(chain: readonly Descriptor[]): string | undefined {
  return chain.length === 0
    ? undefined
    : chain
        .map(({ digest }) => digest)
        .toReversed()
        .join(' ');
}

/** Docker's media types of layers, and OCI's names for the same bytes. */
const OCI_NAMES = new Map([
  ['application/vnd.docker.image.rootfs.diff.tar', 'application/vnd.oci.image.layer.v1.tar'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'application/vnd.oci.image.layer.v1.tar+gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'application/vnd.oci.image.layer.v1.tar+zstd'],
  [
    'application/vnd.docker.image.rootfs.foreign.diff.tar',
    'application/vnd.oci.image.layer.nondistributable.v1.tar',
  ],
  [
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ],
]);

function toOciLayer(descriptor: Descriptor): Descriptor {
  const mediaType = OCI_NAMES.get(descriptor.mediaType);
  return mediaType === undefined ? descriptor : { ...descriptor, mediaType };
}
