/** What every op may be given besides its own fields: platform, name, source locations, caps, cache behaviour. */
import { create } from '@bufbuild/protobuf';
import { OpMetadataSchema } from '../gen/ops_pb.js';
import type { LinuxResources, OpMetadata, Platform } from '../gen/ops_pb.js';
import type { Cap } from './caps.ts';
import type { SourceLocation } from './source_map.ts';

export interface OpOptions {
  platform?: Platform | undefined;
  /** Display name: the description `llb.customname`. */
  customName?: string;
  /** Further descriptions. */
  description?: Readonly<Record<string, string>>;
  /** The result is neither looked up in caches nor taken from them. */
  ignoreCache?: boolean;
  /** Undefined: as the export of the cache is configured. */
  exportCache?: boolean;
  /** Ops of one group are shown as one. */
  progressGroup?: { id: string; name: string; weak: boolean };
  /** Limits of an exec that are not part of its key. */
  linuxResources?: LinuxResources | undefined;
  locations?: readonly SourceLocation[];
}

/** The name of a step that no user wrote. */
export function internalName(name: string): string {
  return `[internal] ${name}`;
}

/** The metadata message of an op with these options that needs these caps. */
export function metadataOf(options: OpOptions, caps: Iterable<Cap>): OpMetadata {
  const metadata = create(OpMetadataSchema, {
    ignoreCache: options.ignoreCache ?? false,
    description: {
      ...options.description,
      ...(options.customName === undefined ? {} : { 'llb.customname': options.customName }),
    },
    caps: capMap(caps),
  });
  if (options.exportCache !== undefined) {
    metadata.exportCache = { $typeName: 'pb.ExportCache', Value: options.exportCache };
  }
  if (options.progressGroup !== undefined) {
    metadata.progressGroup = { $typeName: 'pb.ProgressGroup', ...options.progressGroup };
  }
  if (options.linuxResources !== undefined) metadata.linuxResources = options.linuxResources;
  return metadata;
}

/** `caps` as the map of OpMetadata. */
export function capMap(caps: Iterable<Cap>): Record<string, boolean> {
  return Object.fromEntries([...caps].map((cap) => [cap, true]));
}

/**
 * The metadata of a vertex that was built twice with the same bytes: flags and caps of both, for everything else
 * the later one wins.
 */
export function mergeMetadata(first: OpMetadata | undefined, second: OpMetadata): OpMetadata {
  if (first === undefined) return second;
  const merged = create(OpMetadataSchema, {
    ignoreCache: first.ignoreCache || second.ignoreCache,
    description: { ...first.description, ...second.description },
    caps: { ...first.caps, ...second.caps },
  });
  const exportCache = second.exportCache ?? first.exportCache;
  if (exportCache !== undefined) merged.exportCache = exportCache;
  const progressGroup = second.progressGroup ?? first.progressGroup;
  if (progressGroup !== undefined) merged.progressGroup = progressGroup;
  const linuxResources = second.linuxResources ?? first.linuxResources;
  if (linuxResources !== undefined) merged.linuxResources = linuxResources;
  return merged;
}
