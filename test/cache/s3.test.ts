import { randomUUID } from 'node:crypto';
import { describe } from 'node:test';
import { testBackend, type BackendUnderTest } from './contract.ts';
import { MOTO, S3RVER, type ObjectStorageService } from './object_storage.ts';

const placesIn = ({ type, start }: ObjectStorageService): BackendUnderTest => ({
  type,
  async start() {
    const storage = await start();
    return {
      place() {
        const attrs = { ...storage.attrs(storage.host), prefix: `${randomUUID()}/` };
        return { to: attrs, from: attrs };
      },
      stop: () => storage.stop(),
    };
  },
});

describe('with signatures, without conditions', () => {
  testBackend({ ...placesIn(S3RVER), loose: true });
});

describe('with conditions', { skip: MOTO.skip }, () => {
  testBackend(placesIn(MOTO));
});
