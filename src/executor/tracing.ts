/**
 * The OpenTelemetry collector that steps find under BuildKit (executor/oci/spec.go, v0.32.2): three variables and
 * a socket. cairn keeps no traces; instrumented programs get a collector that takes them, and drops them.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { OciMount } from './oci_spec.ts';
import { listenAt } from './socket_path.ts';

const SOCKET_IN_STEP = '/dev/otel-grpc.sock';
const VARIABLES = [
  'OTEL_TRACES_EXPORTER=otlp',
  `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=unix://${SOCKET_IN_STEP}`,
  'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc',
];
/** Connections of all steps at once. */
const MAX_CONNECTIONS = 256;
/** A gRPC message of no bytes: ExportTraceServiceResponse without a field. */
const EMPTY_MESSAGE = Buffer.alloc(5);

/** The environment with the variables that it does not set itself. */
export function withTracing(env: readonly string[]): string[] {
  const has = new Set(env.map((entry) => entry.split('=', 1)[0]));
  return [...env, ...VARIABLES.filter((entry) => !has.has(entry.split('=', 1)[0]))];
}

export function tracingMount(socketPath: string): OciMount {
  return { destination: SOCKET_IN_STEP, type: 'bind', source: socketPath, options: ['ro', 'rbind'] };
}

let server: Promise<string> | undefined;

/** Starts the collector of this process, once. @returns `path`, where it listens */
export function serveTracing(path: string): Promise<string> {
  return (server ??= listen(
    createServer((socket) => void collect(socket)),
    path,
  ));
}

async function listen(collector: Server, path: string): Promise<string> {
  rmSync(path, { force: true });
  collector.maxConnections = MAX_CONNECTIONS;
  await listenAt(collector, path);
  // Users of any id may send.
  chmodSync(path, 0o666);
  collector.unref();
  return path;
}

/** Speaks HTTP/2 from the first connection on, which hardly any step makes. */
async function collect(socket: Socket): Promise<void> {
  socket.on('error', () => socket.destroy());
  const { performServerHandshake } = await import('node:http2');
  const session = performServerHandshake(socket);
  session.on('error', () => socket.destroy());
  session.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.resume();
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(EMPTY_MESSAGE);
    });
  });
}
