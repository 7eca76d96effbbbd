/** The http server for the conformance data's `fixtures/www`. */
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, normalize, resolve } from 'node:path';

const WWW = resolve(import.meta.dirname, '../conformance/fixtures/www');
/** What the golden keys were computed with. */
const LAST_MODIFIED = 'Tue, 14 Nov 2023 22:13:20 GMT';
/** The port that the conformance data's Dockerfiles name. */
export const WWW_PORT = 8099;

export interface WwwServer {
  /** `http://127.0.0.1:port` */
  url: string;
  /** `GET /file.txt` for each request that came in. */
  requests: string[];
  stop(): Promise<void>;
}

/**
 * Serves the files of `root` with one Last-Modified and no ETag.
 * @param options.port 0 for a free one; default {@link WWW_PORT}
 * @param options.etag send this ETag and answer If-None-Match with 304
 */
export async function startWww(
  options: { port?: number; root?: string; etag?: string } = {},
): Promise<WwwServer> {
  const root = options.root ?? WWW;
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const path = join(root, normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname)));
    if (!path.startsWith(root) || !(statSync(path, { throwIfNoEntry: false })?.isFile() ?? false)) {
      response.writeHead(404).end('not found');
      return;
    }
    response.setHeader('last-modified', LAST_MODIFIED);
    if (options.etag !== undefined) {
      response.setHeader('etag', options.etag);
      if (request.headers['if-none-match'] === options.etag) {
        response.writeHead(304).end();
        return;
      }
    }
    const bytes = readFileSync(path);
    response.writeHead(200, { 'content-length': bytes.length });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  });
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(options.port ?? WWW_PORT, '127.0.0.1', done);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
