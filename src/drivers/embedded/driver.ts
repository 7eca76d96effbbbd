/** The embedded driver: the build runs in this process. */
import { createEngine } from '../../engine/engine.ts';
import { withCacheEnvironment } from '../cache_environment.ts';
import type { Driver } from '../contract.ts';
import { checkInputs, createEmbeddedClient } from './client.ts';

export interface EmbeddedOptions {
  /** The store; default: as store/root.ts says. */
  root?: string;
  /** Configuration file; default: as platform/config_file.ts says. */
  config?: string;
  env: NodeJS.ProcessEnv;
}

/** @throws CairnError STORE, USAGE */
export async function createEmbeddedDriver(options: EmbeddedOptions): Promise<Driver> {
  const engine = await createEngine({
    ...options,
    warn: (message) => process.stderr.write(`WARNING: ${message}\n`),
  });
  return {
    name: 'embedded',
    check: (inputs) => checkInputs(inputs, options.env),
    async build(request, inputs, progress, signal) {
      const client = createEmbeddedClient(inputs, options.env, progress);
      let result;
      try {
        const completed = await withCacheEnvironment(request, options.env, (short) =>
          progress.warning({ vertex: 'sha256:', level: 1, short }),
        );
        result = await engine.build(completed, client, progress, signal);
      } catch (error) {
        await client.finish(false);
        throw error;
      }
      await client.finish(true);
      return result;
    },
    close: () => engine.close(),
  };
}
