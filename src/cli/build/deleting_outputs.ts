/** `--output type=local,mode=delete`: where it may delete without `--allow`, as docker buildx has it. */
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { CairnError } from '../../errors/error.ts';
import type { Output } from './outputs.ts';

/** @throws CairnError USAGE for outputs that delete what is in a directory not below the current one */
export function refuseDeleting(outputs: readonly Output[]): void {
  for (const {
    export: { type, attrs },
    place,
  } of outputs) {
    if (type !== 'local' || attrs['mode'] !== 'delete' || place.kind !== 'directory') continue;
    const below = relative(realPath('.'), realPath(place.path));
    if (below !== '' && below !== '..' && !below.startsWith('../')) continue;
    throw new CairnError(
      `local output mode=delete for destination ${JSON.stringify(place.path)} requires --allow=buildx.local.delete`,
      { code: 'USAGE' },
    );
  }
}

/** Without symbolic links; what is not there yet stays as it is written. */
function realPath(path: string): string {
  const full = resolve(path);
  return existsSync(full) || full === '/'
    ? realpathSync(full)
    : join(realPath(dirname(full)), basename(full));
}
