/** A unix socket for one step that leads to the client's ssh agent, with the owner and mode that the step asks for. */
import { chmodSync, chownSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { listenAt } from './socket_path.ts';

export interface AgentSocket {
  readonly path: string;
  close(): Promise<void>;
}

/** Connections of one step at once. */
const MAX_CONNECTIONS = 64;

export async function forwardAgent(
  path: string,
  to: { socketPath: string; uid: number; gid: number; mode: number },
): Promise<AgentSocket> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const agent = connect({ path: to.socketPath, allowHalfOpen: true });
    for (const socket of [client, agent]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      // One side is gone: so is the other. The step sees a closed agent, as with a real one.
      socket.on('error', () => {
        client.destroy();
        agent.destroy();
      });
    }
    client.pipe(agent);
    agent.pipe(client);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listenAt(server, path);
  chownSync(path, to.uid, to.gid);
  chmodSync(path, to.mode & 0o777);
  return {
    path,
    close() {
      for (const socket of open) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
