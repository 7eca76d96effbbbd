import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { hasMoto, startMoto } from '../servers/moto.ts';
import { startS3rver, type S3Server } from '../servers/s3rver.ts';
import { testBackend, type BackendServer } from './contract.ts';

async function cachesIn(started: Promise<S3Server>): Promise<BackendServer> {
  const server = await started;
  return {
    place() {
      const attrs = {
        bucket: 'caches',
        region: 'us-east-1',
        prefix: `${randomUUID()}/`,
        endpoint_url: `http://${server.host}`,
        use_path_style: 'true',
        access_key_id: server.accessKeyId,
        secret_access_key: server.secretAccessKey,
      };
      return { to: attrs, from: attrs };
    },
    stop: () => server.stop(),
  };
}

// A server that checks signatures and knows no conditions, and one that knows them.
testBackend({ type: 's3', loose: true, start: () => cachesIn(startS3rver(['caches'])) });
if (hasMoto) testBackend({ type: 's3', start: () => cachesIn(startMoto(['caches'])) });
else test('cache backend s3 with conditions', { skip: 'moto is not installed' });
