/** A network between a program and a server: counts requests and bytes, and adds latency. Plain http only. */
import { connect, createServer, type Socket } from 'node:net';

export interface Traffic {
  /** `PUT /path?query`, and when it came: milliseconds, on the clock of `performance`. */
  requests: { at: number; line: string }[];
  /** Bytes to the server and from it, headers included. */
  up: number;
  down: number;
}

export interface Link {
  /** `127.0.0.1:port` */
  host: string;
  /** Added to each round trip, in milliseconds; a new connection costs one round trip, as with TCP. */
  latency: number;
  /** What went over it since the last call. */
  take(): Traffic;
  stop(): Promise<void>;
}

/** Bytes that may be under way in one direction of a connection. */
const WINDOW = 16 * 1024 * 1024;

/** Listens in front of `target`, `host:port`. */
export async function startLink(target: string): Promise<Link> {
  const [host, port] = target.split(':');
  let traffic: Traffic = { requests: [], up: 0, down: 0 };
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ host: host ?? '', port: Number(port), allowHalfOpen: true, noDelay: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.once('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
      socket.on('error', () => socket.destroy());
    }
    const requests = new RequestLines((line) => traffic.requests.push({ at: performance.now(), line }));
    const opened = performance.now() + link.latency;
    carry(client, upstream, (chunk) => {
      requests.feed(chunk);
      traffic.up += chunk.length;
      return Math.max(opened, performance.now()) + link.latency / 2;
    });
    carry(upstream, client, (chunk) => {
      traffic.down += chunk.length;
      return performance.now() + link.latency / 2;
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const link: Link = {
    host: `127.0.0.1:${address.port}`,
    latency: 0,
    take() {
      const taken = traffic;
      traffic = { requests: [], up: 0, down: 0 };
      return taken;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
  return link;
}

/** @param arrival told of each chunk when it is sent; when it arrives, on the clock of `performance` */
function carry(from: Socket, to: Socket, arrival: (chunk: Buffer) => number): void {
  let underWay = 0;
  const queue: { chunk: Buffer | undefined; due: number }[] = [];
  let waiting = false;
  const deliver = (): void => {
    waiting = false;
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      const rest = next.due - performance.now();
      if (rest > 0) {
        waiting = true;
        setTimeout(deliver, rest);
        return;
      }
      queue.shift();
      const { chunk } = next;
      if (chunk === undefined) to.end();
      else
        to.write(chunk, () => {
          underWay -= chunk.length;
          if (underWay < WINDOW) from.resume();
        });
    }
  };
  const send = (chunk: Buffer | undefined, due: number): void => {
    queue.push({ chunk, due });
    if (!waiting) deliver();
  };
  from.on('data', (chunk: Buffer) => {
    underWay += chunk.length;
    if (underWay >= WINDOW) from.pause();
    send(chunk, arrival(chunk));
  });
  from.once('end', () => send(undefined, queue.at(-1)?.due ?? 0));
}

/** Finds the request lines among what a client sends on one connection (RFC 9112). */
class RequestLines {
  readonly #found: (line: string) => void;
  #state: 'request' | 'header' | 'chunk' | 'trailer' = 'request';
  #line = '';
  /** Bytes of a body, or of a chunk of one, that are still to come. */
  #skip = 0;
  #chunked = false;
  #length = 0;

  constructor(found: (line: string) => void) {
    this.#found = found;
  }

  feed(bytes: Buffer): void {
    for (let position = 0; position < bytes.length;) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - position);
        this.#skip -= skipped;
        position += skipped;
        continue;
      }
      const end = bytes.indexOf(0x0a, position);
      this.#line += bytes.toString('latin1', position, end === -1 ? bytes.length : end);
      if (end === -1) return;
      position = end + 1;
      const line = this.#line.trimEnd();
      this.#line = '';
      this.#take(line);
    }
  }

  #take(line: string): void {
    switch (this.#state) {
      case 'request':
        if (line === '') return;
        this.#found(line.slice(0, line.lastIndexOf(' ')));
        this.#chunked = false;
        this.#length = 0;
        this.#state = 'header';
        return;
      case 'header': {
        if (line === '') {
          this.#state = this.#chunked ? 'chunk' : 'request';
          this.#skip = this.#chunked ? 0 : this.#length;
          return;
        }
        const [name = '', value = ''] = line.split(/:\s*/, 2);
        if (/^content-length$/i.test(name)) this.#length = Number(value);
        if (/^transfer-encoding$/i.test(name)) this.#chunked = /chunked/i.test(value);
        return;
      }
      case 'chunk': {
        // An empty line ends the chunk before.
        if (line === '') return;
        const size = Number.parseInt(line, 16);
        if (size === 0) this.#state = 'trailer';
        else this.#skip = size;
        return;
      }
      case 'trailer':
        if (line === '') this.#state = 'request';
    }
  }
}
