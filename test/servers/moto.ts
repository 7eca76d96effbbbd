/**
 * moto (Debian package python3-moto) for tests: an S3 server with conditional writes, touching and aborted uploads.
 * It takes any credentials.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, startChild } from './child.ts';
import type { S3Server } from './s3rver.ts';

/** Debian's Python: another one that comes first in PATH does not know Debian's packages. */
const PYTHON = '/usr/bin/python3';

/** False where the tests that need moto are skipped; scripts/test.sh installs it. */
export const hasMoto = existsSync('/usr/bin/moto_server');

/** Starts an S3 server with these empty buckets, all in memory. */
export async function startMoto(buckets: readonly string[]): Promise<S3Server> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const server = await startChild(PYTHON, [join(import.meta.dirname, 'moto_server.py'), String(port)], port);
  for (const bucket of buckets) {
    const made = await fetch(`http://${host}/${bucket}`, { method: 'PUT' });
    if (!made.ok) throw new Error(`moto made no bucket: ${await made.text()}`);
  }
  return {
    host,
    accessKeyId: 'AKIAMOTO',
    secretAccessKey: 'moto-secret',
    log: () => server.output(),
    stop: () => server.stop(),
  };
}
