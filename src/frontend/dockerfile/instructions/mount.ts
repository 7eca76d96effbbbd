/** The value of `RUN --mount`. */
import type { Mount, WordExpander } from './types.ts';

/**
 * Parses one mount. Without `expand` only `from` is looked at, since everything else may hold variables.
 * @throws DockerfileError
 */
export function parseMount(value: string, expand: WordExpander | undefined): Mount {
  throw new Error(`mount ${value} ${typeof expand}`);
}
