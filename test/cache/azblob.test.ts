import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { hasAzurite, startAzurite } from '../servers/azurite.ts';
import { testBackend } from './contract.ts';

if (hasAzurite) {
  testBackend({
    type: 'azblob',
    async start() {
      const server = await startAzurite();
      return {
        place() {
          const attrs = {
            account_url: `http://${server.host}/${server.accountName}`,
            account_name: server.accountName,
            secret_access_key: server.accountKey,
            prefix: randomUUID(),
          };
          return { to: attrs, from: attrs };
        },
        stop: () => server.stop(),
      };
    },
  });
} else test('cache backend azblob', { skip: 'azurite is not installed' });
