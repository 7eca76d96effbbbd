/** `--cache-to` and `--cache-from`. */
import { CairnError } from '../../errors/error.ts';
import type { TypedAttrs } from '../../engine/contract.ts';
import { csvFields, csvPairs } from './csv.ts';

/** A value without `=` is a reference for type=registry; a comma list of such is several. @throws CairnError USAGE */
export function parseCacheEntries(values: string[], flag: '--cache-to' | '--cache-from'): TypedAttrs[] {
  return values
    .filter((value) => value !== '')
    .flatMap((value) => {
      if (!value.includes('=')) {
        return csvFields(value, flag).map((ref) => ({ type: 'registry', attrs: { ref } }));
      }
      const attrs: Record<string, string> = {};
      let type = '';
      for (const [key, text] of csvPairs(value, flag)) {
        if (key === 'type') type = text;
        else attrs[key] = text;
      }
      if (type === '')
        throw new CairnError(`type required for ${flag} ${JSON.stringify(value)}`, { code: 'USAGE' });
      return [{ type, attrs }];
    });
}

/**
 * Checks what entries were given, before anything else is done for the build.
 * @throws CairnError USAGE, with a suggestion
 */
export async function checkCacheEntries(
  entries: readonly TypedAttrs[],
  side: 'to' | 'from',
  { env, lenient }: { env: NodeJS.ProcessEnv; lenient: boolean },
): Promise<void> {
  if (entries.length === 0) return;
  const { backendOf } = await import('../../cache/backends/create.ts');
  for (const { type, attrs } of entries) {
    const backend = await backendOf(type, side);
    const completed = backend.fromEnvironment(attrs, env, side);
    // One that cannot work here is left out later, with a reason; what it says must be right everywhere.
    backend.entry('attrs' in completed ? completed.attrs : attrs, side, { lenient });
  }
}
