/** Flags of `docker build` that change nothing here: what to do instead, for those that people may rely on. */
import { CairnError } from '../../errors/error.ts';
import { didYouMean } from '../../errors/suggest.ts';
import type { BuildFlags } from './flags.ts';

/** The names by which the builder in this process goes; `default` is docker's for the one that is always there. */
const BUILDERS = ['embedded', 'default'];

/** One warning for each flag that was given in vain. */
export function ignoredFlags({ isolation, securityOpt, squash }: BuildFlags): string[] {
  const warnings: string[] = [];
  if (isolation !== undefined && isolation !== '')
    warnings.push('--isolation has no effect: steps run in Linux containers');
  if (securityOpt.length > 0)
    warnings.push('--security-opt has no effect; "RUN --security=insecure" is what takes guards away');
  if (squash === true)
    warnings.push('--squash has no effect; copy from a stage into a last one to have fewer layers');
  return warnings;
}

/** @throws CairnError USAGE for another builder than the one there is: the build would run where nobody looks */
export function checkBuilder(name: string | undefined, env: NodeJS.ProcessEnv): void {
  const wanted = name ?? env['BUILDX_BUILDER'] ?? '';
  if (wanted === '' || BUILDERS.includes(wanted)) return;
  throw new CairnError(`no builder ${JSON.stringify(wanted)} found`, {
    code: 'USAGE',
    hint:
      didYouMean(wanted, BUILDERS) ??
      'cairn builds in its own process: leave --builder and BUILDX_BUILDER out',
  });
}
