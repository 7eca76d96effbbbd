/** The programs with a BuildKit in them that caches are exchanged with. */
import type { BuildKitProgram } from './buildkit.ts';
import { BUILDKITD } from './buildkitd.ts';
import { DOCKERD } from './dockerd.ts';

/** Both of them read and write the backends registry, inline, local and gha. */
export const BUILDKITS: readonly BuildKitProgram[] = [DOCKERD, BUILDKITD];
