import { closeSync, constants, openSync } from 'node:fs';
import type { Server } from 'node:net';
import { basename, dirname } from 'node:path';

/**
 * Lets `server` listen on a unix socket at `path`, which may be longer than the 107 bytes that the kernel takes:
 * the directory is named by a descriptor. It stays open until the server closes, when the socket is removed by
 * the same name.
 */
export async function listenAt(server: Server, path: string): Promise<void> {
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  server.once('close', () => closeSync(directory));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(`/proc/self/fd/${directory}/${basename(path)}`, resolve);
    });
  } catch (error) {
    closeSync(directory);
    throw error;
  }
}
