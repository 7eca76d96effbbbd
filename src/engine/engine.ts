/** The engine as a Builder: services opened once, one run for each request. */
import { collectAfterBuild } from '../cache/collect.ts';
import { messageOf } from '../errors/error.ts';
import type { Builder } from './contract.ts';
import { runBuild } from './build.ts';
import { everyRecord } from './records.ts';
import { openServices, type EngineOptions } from './services.ts';

/** @throws CairnError STORE, USAGE */
export async function createEngine(options: EngineOptions): Promise<Builder> {
  const services = await openServices(options);
  return {
    async build(request, client, progress, signal) {
      const result = await runBuild({ services, request, client, progress, signal });
      try {
        const { store, snapshots, collection } = services;
        await collectAfterBuild(store, everyRecord(store, snapshots), collection, signal);
      } catch (error) {
        // The build is done; what could not be collected now is for the next time.
        options.warn(`collecting the store failed: ${messageOf(error)}`);
      }
      return result;
    },
    close: () => services.close(),
  };
}
