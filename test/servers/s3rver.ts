/**
 * s3rver (npm package @20minutes/s3rver) for tests: an S3 server that checks signatures. It knows no conditions, and
 * refuses the signatures of listings.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startChild } from './child.ts';

export interface S3Server {
  /** `127.0.0.1:port` */
  host: string;
  accessKeyId: string;
  secretAccessKey: string;
  log(): string;
  stop(): Promise<void>;
}

/** The package has no program of its own and no types. */
const PROGRAM = `
  const S3rver = require('@20minutes/s3rver');
  const { port, directory, buckets } = JSON.parse(process.argv[1]);
  const configureBuckets = buckets.map((name) => ({ name, configs: [] }));
  new S3rver({ address: '127.0.0.1', port, directory, vhostBuckets: false, configureBuckets }).run();
`;

/** Starts an S3 server with these empty buckets and the only account that it has. */
export async function startS3rver(buckets: readonly string[]): Promise<S3Server> {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-s3rver-'));
  const port = await freePort();
  const options = JSON.stringify({ port, directory, buckets });
  const root = join(import.meta.dirname, '../..');
  const server = await startChild(process.execPath, ['-e', PROGRAM, options], port, { cwd: root });
  return {
    host: `127.0.0.1:${port}`,
    accessKeyId: 'S3RVER',
    secretAccessKey: 'S3RVER',
    log: () => server.output(),
    async stop() {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
