import { randomUUID } from 'node:crypto';
import { startGithubCache } from '../servers/github_cache.ts';
import { testBackend } from './contract.ts';

for (const version of ['1', '2']) {
  testBackend({
    type: 'gha',
    env: {},
    async start() {
      const { url, token, stop } = await startGithubCache();
      const server = version === '1' ? { url } : { url_v2: url };
      return {
        place: () => {
          const attrs = { ...server, version, token: token(), scope: randomUUID() };
          return { to: attrs, from: attrs };
        },
        stop,
      };
    },
  });
}
