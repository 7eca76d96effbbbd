/** The backends by type. Each is loaded when an entry names it. */
import { CairnError } from '../../errors/error.ts';
import { didYouMean } from '../../errors/suggest.ts';
import type { BackendDefinition, CacheEntry, EntryOptions, Side } from './contract.ts';

const BACKENDS: Readonly<Record<string, () => Promise<{ backend: BackendDefinition }>>> = {
  registry: () => import('./registry.ts'),
  local: () => import('./local.ts'),
  inline: () => import('./inline.ts'),
  s3: () => import('./s3.ts'),
  azblob: () => import('./azblob.ts'),
  gha: () => import('./gha.ts'),
};

/** @throws CairnError USAGE for an unknown type */
export async function backendOf(type: string, side: Side): Promise<BackendDefinition> {
  const load = Object.hasOwn(BACKENDS, type) ? BACKENDS[type] : undefined;
  if (load === undefined) {
    const types = Object.keys(BACKENDS);
    throw new CairnError(
      `unknown cache ${side === 'to' ? 'exporter' : 'importer'}: ${JSON.stringify(type)}`,
      {
        code: 'USAGE',
        hint: didYouMean(type, types) ?? `types are ${types.join(', ')}`,
      },
    );
  }
  return (await load()).backend;
}

/**
 * Checks one entry, before anything is built or connected to.
 * @throws CairnError USAGE
 */
export async function cacheEntry(
  { type, attrs }: { type: string; attrs: Readonly<Record<string, string>> },
  side: Side,
  options?: EntryOptions,
): Promise<CacheEntry> {
  return (await backendOf(type, side)).entry(attrs, side, options);
}
