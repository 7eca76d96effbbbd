/** The engine as a Builder: services opened once, one run for each request. */
import type { Builder } from './contract.ts';
import { runBuild } from './build.ts';
import { openServices, type EngineOptions } from './services.ts';

/** @throws CairnError STORE, USAGE */
export async function createEngine(options: EngineOptions): Promise<Builder> {
  const services = await openServices(options);
  return {
    build: (request, client, progress, signal) => runBuild({ services, request, client, progress, signal }),
    close: () => services.close(),
  };
}
