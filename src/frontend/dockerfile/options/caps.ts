/** The attribute `frontend.caps`: what a client requires of the frontend. */
import { CairnError } from '../../../errors/error.ts';

const SUPPORTED = new Set([
  'moby.buildkit.frontend.inputs',
  'moby.buildkit.frontend.subrequests',
  'moby.buildkit.frontend.contexts',
  'moby.buildkit.frontend.gitquerystring',
]);

/**
 * The error for the first capability that is missing; `forward` when all missing ones are marked `+forward`, so
 * that another frontend, named by a syntax directive, may still have them.
 */
export function checkCaps(required: string): { error: CairnError | undefined; forward: boolean } {
  let error: CairnError | undefined;
  if (required === '') return { error, forward: false };
  for (const cap of required.split(',')) {
    const [name = ''] = cap.split('+', 1);
    if (SUPPORTED.has(name)) continue;
    error = new CairnError(`unsupported frontend capability ${name}`, { code: 'UNSUPPORTED' });
    if (!cap.includes('+forward')) return { error, forward: false };
  }
  return { error, forward: error !== undefined };
}
