/** A reverse proxy in front of a test server that counts requests and injects faults. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';

/** What happens instead of the server's answer, or to it. */
export type Fault =
  /** This answer; the server is not asked. */
  | { kind: 'answer'; status: number; headers?: Record<string, string>; body?: string }
  /** The connection is cut without an answer. */
  | { kind: 'refuse' }
  /** No answer, ever. */
  | { kind: 'hang' }
  /** The body is cut after so many bytes: the connection breaks. */
  | { kind: 'reset'; after: number }
  /** The body ends after so many bytes, as if that were all of it. */
  | { kind: 'truncate'; after: number }
  /** The first byte of the body is changed. */
  | { kind: 'corrupt' }
  /** The answer with other headers. */
  | { kind: 'headers'; headers: Record<string, string> };

export interface ProxyRequest {
  method: string;
  /** Path and query. */
  url: string;
  headers: IncomingMessage['headers'];
}

export interface FaultProxy {
  /** `127.0.0.1:port` */
  host: string;
  /** Every request that came in. */
  requests: ProxyRequest[];
  /** Decides on each request; undefined: pass it on. */
  fault: ((request: ProxyRequest) => Fault | undefined) | undefined;
  stop(): Promise<void>;
}

function forward(target: string, request: IncomingMessage, response: ServerResponse, fault?: Fault): void {
  const [hostname, port] = target.split(':');
  const upstream = httpRequest(
    { hostname, port, path: request.url, method: request.method, headers: request.headers },
    (answer) => {
      const headers = { ...answer.headers };
      if (fault?.kind === 'truncate') headers['content-length'] = String(fault.after);
      if (fault?.kind === 'headers') Object.assign(headers, fault.headers);
      response.writeHead(answer.statusCode ?? 502, headers);
      if (fault?.kind !== 'reset' && fault?.kind !== 'truncate' && fault?.kind !== 'corrupt') {
        answer.pipe(response);
        return;
      }
      let seen = 0;
      answer.on('data', (chunk: Buffer) => {
        if (fault.kind === 'corrupt') {
          const first = chunk[0];
          if (seen === 0 && first !== undefined) chunk[0] = first ^ 1;
          seen += chunk.length;
          response.write(chunk);
          return;
        }
        const part = chunk.subarray(0, Math.max(0, fault.after - seen));
        seen += chunk.length;
        if (fault.kind === 'reset' && seen >= fault.after) {
          answer.destroy();
          response.write(part, () => response.destroy());
        } else if (part.length > 0) {
          response.write(part);
        }
      });
      answer.on('end', () => response.end());
    },
  );
  upstream.on('error', () => response.destroy());
  request.pipe(upstream);
}

/** Passes requests on to `target`, `host:port`, plain http both ways. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const proxy: FaultProxy = { host: '', requests: [], fault: undefined, stop: async () => undefined };
  const server = createServer((request, response) => {
    const seen = { method: request.method ?? '', url: request.url ?? '', headers: request.headers };
    proxy.requests.push(seen);
    const fault = proxy.fault?.(seen);
    switch (fault?.kind) {
      case 'answer':
        request.resume();
        response.writeHead(fault.status, fault.headers);
        response.end(request.method === 'HEAD' ? undefined : fault.body);
        return;
      case 'refuse':
        request.socket.destroy();
        return;
      case 'hang':
        return;
      default:
        forward(target, request, response, fault);
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  proxy.host = `127.0.0.1:${address.port}`;
  proxy.stop = async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return proxy;
}
