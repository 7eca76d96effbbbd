import { randomUUID } from 'node:crypto';
import { startDockerRegistry } from '../servers/docker_registry.ts';
import { testBackend } from './contract.ts';

testBackend({
  type: 'registry',
  // Between the question and the write of another client nothing can be done.
  loose: true,
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
