/** What most test files here need: cairn, and a registry that serves base images as docker.io does. */
import { after } from 'node:test';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { useCairn, type Cairn } from './cairn.ts';

/** Starts the registry. Both are gone when the tests of the file, or of the suite that calls, have ended. */
export async function cairnAndRegistry(): Promise<{ cairn: Cairn; registry: RegistryServer }> {
  const registry = await startBaseImageRegistry();
  const cairn = useCairn(registry.host);
  after(async () => {
    cairn.remove();
    await registry.stop();
  });
  return { cairn, registry };
}
