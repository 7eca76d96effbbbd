/** Ends what killed processes left running. */
import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { removeBundle } from './bundle.ts';
import { deleteContainer } from './kill.ts';
import type { Runtime } from './runtime.ts';

export interface ReapArgs {
  /** Directories of dead processes, as RunArgs.directory. */
  directories: string[];
  runtime: Runtime;
}

/** Kills the containers of dead processes and removes their directories. What cannot be removed is left to the next. */
export async function reapContainers({ directories, runtime }: ReapArgs): Promise<void> {
  for (const directory of directories) {
    const state = join(directory, 'state');
    if (runtime.name !== 'unshare') {
      for (const id of namesIn(state)) await deleteContainer({ runtime, state, id });
    }
    try {
      rmSync(state, { recursive: true, force: true });
      rmSync(join(directory, 'otel.sock'), { force: true });
      const bundles = join(directory, 'bundles');
      for (const id of namesIn(bundles)) removeBundle(join(bundles, id));
      rmdirSync(bundles);
      rmdirSync(directory);
    } catch {
      // A dying container holds it still.
    }
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
