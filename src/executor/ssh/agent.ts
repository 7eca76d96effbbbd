/**
 * The client's side of `--ssh`: a socket that a step may talk to, in front of an agent or of key files. Steps may
 * list keys and have things signed; whatever would change the agent is refused, as BuildKit's sshprovider does
 * (v0.32.2).
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CairnError } from '../../errors/error.ts';
import { parsePrivateKey, type SshKey } from './private_key.ts';
import { string, uint32, WireReader } from './wire.ts';

export interface OpenAgent {
  readonly socketPath: string;
  close(): Promise<void>;
}

/** Of a key file, as BuildKit. */
const MAX_KEY_FILE_BYTES = 100 * 1024;
/** Of a message, as OpenSSH's agent. */
const MAX_MESSAGE_BYTES = 256 * 1024;
const MAX_CONNECTIONS = 64;

/** Message numbers of draft-ietf-sshm-ssh-agent. */
const FAILURE = 5;
const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;

const FAILED = Buffer.concat([uint32(1), Buffer.of(FAILURE)]);

/** Answers one message, without its length: with the whole answer, or undefined: the real agent shall. */
type Answer = (message: Buffer) => Buffer | undefined;

/**
 * Opens what `--ssh ID[=PATH,…]` names: one agent's socket, or key files; without a path the agent of
 * SSH_AUTH_SOCK.
 * @throws CairnError USAGE when there is no agent, a path is not there, a key cannot be read, or both are mixed
 */
export async function openAgent(
  paths: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<OpenAgent> {
  const { keys, socket } = checkAgent(paths, env);
  return serve((client) => {
    if (socket === undefined) exchange(client, (message) => answerFromKeys(keys, message));
    else forward(client, connect(socket));
  });
}

/** Looks for what {@link openAgent} would open. @throws CairnError as that does */
export function checkAgent(
  paths: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): { keys: SshKey[]; socket: string | undefined } {
  const wanted = paths.filter((path) => path !== '');
  if (wanted.length === 0) {
    const socket = env['SSH_AUTH_SOCK'] ?? '';
    if (socket === '') {
      throw new CairnError('invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set', {
        code: 'USAGE',
        hint: 'Start an agent, or name a key file or a socket: --ssh default=PATH.',
      });
    }
    wanted.push(socket);
  }
  const keys: SshKey[] = [];
  const sockets: string[] = [];
  for (const path of wanted) {
    if (typeOf(path).isSocket()) sockets.push(path);
    else keys.push(parsePrivateKey(readKeyFile(path), path));
  }
  const [socket] = sockets;
  if (sockets.length > 1) throw new CairnError('only single socket allowed', { code: 'USAGE' });
  if (socket !== undefined && keys.length > 0) {
    throw new CairnError('invalid combination of keys and sockets', { code: 'USAGE' });
  }
  return { keys, socket };
}

function typeOf(path: string) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new CairnError(`stat ${path}: no such file or directory`, { code: 'USAGE' });
  return stat;
}

function readKeyFile(path: string): string {
  const text = readFileSync(path, 'utf8');
  if (text.length > MAX_KEY_FILE_BYTES) {
    throw new CairnError(`failed to parse ${path}: too long for a private key`, { code: 'USAGE' });
  }
  return text;
}

async function serve(accept: (client: Socket) => void): Promise<OpenAgent> {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-ssh-'));
  const socketPath = join(directory, 'agent.sock');
  const open = new Set<Socket>();
  const server: Server = createServer((client) => {
    open.add(client);
    client.on('close', () => open.delete(client));
    client.on('error', () => client.destroy());
    accept(client);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  // Waiting for a step to ask does not keep cairn alive.
  server.unref();
  return {
    socketPath,
    async close() {
      for (const client of open) client.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Cuts the stream into messages and hands each on; too long a message ends the connection. */
function exchange(client: Socket, answer: Answer, otherwise: (frame: Buffer) => void = () => {}): void {
  let pending: Buffer = Buffer.alloc(0);
  client.on('data', (data) => {
    pending = Buffer.concat([pending, Buffer.from(data as Uint8Array)]);
    while (pending.length >= 4) {
      const length = pending.readUInt32BE(0);
      if (length === 0 || length > MAX_MESSAGE_BYTES) {
        client.destroy();
        return;
      }
      if (pending.length < 4 + length) return;
      const frame = pending.subarray(0, 4 + length);
      pending = pending.subarray(4 + length);
      const reply = answer(frame.subarray(4));
      if (reply === undefined) otherwise(frame);
      else client.write(reply);
    }
  });
}

/** In front of a real agent: what only reads goes through. Clients ask one thing at a time, so answers keep their order. */
function forward(client: Socket, agent: Socket): void {
  agent.on('error', () => client.destroy());
  agent.on('close', () => client.destroy());
  client.on('close', () => agent.destroy());
  agent.on('data', (data) => client.write(data));
  const mayPass = (message: Buffer): boolean =>
    message[0] === REQUEST_IDENTITIES || message[0] === SIGN_REQUEST;
  exchange(
    client,
    (message) => (mayPass(message) ? undefined : FAILED),
    (frame) => agent.write(frame),
  );
}

function answerFromKeys(keys: readonly SshKey[], message: Buffer): Buffer {
  try {
    if (message[0] === REQUEST_IDENTITIES) {
      const list = keys.flatMap((key) => [string(key.blob), string('')]);
      return string(Buffer.concat([Buffer.of(IDENTITIES_ANSWER), uint32(keys.length), ...list]));
    }
    if (message[0] === SIGN_REQUEST) {
      const request = new WireReader(message.subarray(1));
      const blob = request.string();
      const data = request.string();
      const key = keys.find((candidate) => candidate.blob.equals(blob));
      if (key === undefined) return FAILED;
      const signature = key.sign(data, request.uint32());
      return string(Buffer.concat([Buffer.of(SIGN_RESPONSE), string(signature)]));
    }
  } catch {
    // A malformed request, which an agent answers with a failure.
  }
  return FAILED;
}
