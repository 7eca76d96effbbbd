import { randomUUID } from 'node:crypto';
import { startDockerRegistry } from '../servers/docker_registry.ts';
import { testBackend } from './contract.ts';
import { testFaults } from './faults.ts';

testBackend({
  type: 'registry',
  async start() {
    const server = await startDockerRegistry();
    return {
      place: () => {
        const ref = `${server.host}/cache/${randomUUID()}:cache`;
        return { to: { ref }, from: { ref } };
      },
      stop: () => server.stop(),
    };
  },
});

testFaults('registry', async () => {
  const server = await startDockerRegistry();
  const name = `cache/${randomUUID()}:cache`;
  return {
    target: server.host,
    to: `type=registry,ref=${server.host}/${name},mode=max`,
    from: (proxy) => `type=registry,ref=${proxy}/${name},timeout=2s`,
    isIndex: ({ url }) => url.includes('/manifests/'),
    isLayer: ({ url, method }, layers) => method === 'GET' && layers.some((layer) => url.endsWith(layer)),
    stop: () => server.stop(),
  };
});
