import { randomUUID } from 'node:crypto';
import { describe } from 'node:test';
import { testBackend } from './contract.ts';
import { AZURITE } from './object_storage.ts';

describe('Azurite', { skip: AZURITE.skip }, () => {
  testBackend({
    type: 'azblob',
    async start() {
      const storage = await AZURITE.start();
      return {
        place() {
          const attrs = { ...storage.attrs(storage.host), prefix: randomUUID() };
          return { to: attrs, from: attrs };
        },
        stop: () => storage.stop(),
      };
    },
  });
});
