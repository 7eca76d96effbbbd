/** Azurite (npm package azurite) for tests: Azure Blob Storage, with shared keys and shared access signatures. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startChild } from './child.ts';

export interface AzureServer {
  /** `127.0.0.1:port` */
  host: string;
  accountName: string;
  /** Base64. */
  accountKey: string;
  log(): string;
  stop(): Promise<void>;
}

const PROGRAM = join(import.meta.dirname, 'azurite/node_modules/azurite/dist/src/blob/main.js');

/** False where the tests that need Azurite are skipped; scripts/test.sh installs it. */
export const hasAzurite = existsSync(PROGRAM);

/** Starts an Azure storage server without containers. Its URLs are `http://HOST/ACCOUNT`. */
export async function startAzurite(): Promise<AzureServer> {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-azurite-'));
  const port = await freePort();
  const accountName = 'cairntest';
  const accountKey = Buffer.from('a key of this server, not of any account').toString('base64');
  const where = ['--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', directory];
  const how = ['--silent', '--disableTelemetry', '--disableProductStyleUrl'];
  const server = await startChild(process.execPath, [PROGRAM, ...where, ...how], port, {
    env: { AZURITE_ACCOUNTS: `${accountName}:${accountKey}` },
    cwd: directory,
  });
  return {
    host: `127.0.0.1:${port}`,
    accountName,
    accountKey,
    log: () => server.output(),
    async stop() {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
