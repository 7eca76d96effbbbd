/** `http://` and `https://`: one file, keyed by its content (BuildKit v0.32.2, source/http). */
import { createHash } from 'node:crypto';
import { open, chown, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { CairnError, redact, registerSecret } from '../errors/error.ts';
import type { Digest } from '../content/contract.ts';
import type { Transport } from '../registry/transport.ts';
import type { Snapshot } from '../snapshots/contract.ts';
import type { Attrs } from './attrs.ts';
import type { Source, SourceContext } from './contract.ts';
import { fileNameFor } from './file_name.ts';
import { httpDate } from './http_date.ts';
import { httpKey, httpOptions, requestHash, type HttpOptions } from './http_options.ts';
import { requestFile, type FileResponse } from './http_request.ts';
import type { SourceServices } from './services.ts';
import { requestUpload } from './session_upload.ts';
import { writeLayer } from './tree_root.ts';

const DEFAULT_MODE = 0o600;
/** Versions of one URL that If-None-Match names, at most. */
const MAX_ETAGS = 20;
const USER_AGENT = 'cairn';
/** Smaller files are there before anybody could read about them. */
const PROGRESS_STEP_BYTES = 1024 * 1024;

export interface HttpFile {
  filename: string;
  digest: Digest;
  modified: Date | undefined;
  /** Undefined: not downloaded yet, the checksum was given. */
  snapshot: Snapshot | undefined;
}

interface Remembered {
  /** Empty: the server sent none. */
  etag: string;
  snapshot: string;
  digest: Digest;
  filename: string;
  modified: string;
}

/** What servers said when this build first asked, by request. */
export type HttpFiles = Map<string, Promise<HttpFile>>;

export interface HttpSource extends Source {
  /** Last-Modified; undefined where the server says nothing. */
  lastModified(context: SourceContext): Promise<Date | undefined>;
}

/** Without the mark of a weak one. */
function etagOf(header: string | undefined): string {
  return (header ?? '').replace(/^W\//, '');
}

export function httpSource(
  url: string,
  attrs: Attrs,
  services: SourceServices,
  transport: () => Transport,
  files: HttpFiles,
): HttpSource {
  const options = httpOptions(url, attrs);
  const download = new Download(options, services, transport);
  const name = `${requestHash(options)} ${options.checksum ?? ''}`;
  const resolve = (context: SourceContext): Promise<HttpFile> => {
    let file = files.get(name);
    if (file === undefined) {
      file = download.resolve(context);
      files.set(name, file);
      file.catch(() => files.delete(name));
    }
    return file;
  };
  return {
    async key(_index, context) {
      const file =
        options.checksum === undefined
          ? await resolve(context)
          : {
              filename: fileNameFor(url, options.filename, undefined),
              digest: options.checksum,
              modified: undefined,
            };
      return { key: httpKey(options, file), done: true, pin: file.digest };
    },
    async snapshot(context) {
      const file = await resolve(context);
      if (file.snapshot === undefined) throw new Error('resolved without a snapshot');
      return file.snapshot;
    },
    async lastModified(context) {
      return (await resolve(context)).modified;
    },
  };
}

class Download {
  readonly #options: HttpOptions;
  readonly #services: SourceServices;
  readonly #transport: () => Transport;
  readonly #request: Digest;

  constructor(options: HttpOptions, services: SourceServices, transport: () => Transport) {
    this.#options = options;
    this.#services = services;
    this.#transport = transport;
    this.#request = requestHash(options);
  }

  /** The file as the server has it now, downloaded only when it is not here. */
  async resolve(context: SourceContext): Promise<HttpFile> {
    const headers = await this.#headers();
    const known = this.#known().filter((row) => row.etag !== '');
    if (known.length > 0) {
      const etags = known.map((entry) => entry.etag).join(', ');
      const conditional = { ...headers, 'if-none-match': etags };
      // Some servers send ETags and ignore If-None-Match: a HEAD tells without the whole file.
      const head = await this.#send('HEAD', conditional, context.signal).catch((error: unknown) => {
        if (context.signal.aborted) throw error;
        return undefined;
      });
      head?.discard();
      if (head !== undefined && (head.status === 200 || head.status === 304)) {
        const match = this.#match(known, head);
        if (match !== undefined) return match;
      }
      const answer = await this.#send('GET', conditional, context.signal);
      if (answer.status !== 304) return this.#take(answer, context);
      answer.discard();
      const match = this.#match(known, answer);
      if (match !== undefined) return match;
      throw new CairnError(`invalid not-modified ETag: ${etagOf(answer.headers.etag)}`, {
        code: 'UNAVAILABLE',
      });
    }
    return this.#take(await this.#send('GET', headers, context.signal), context);
  }

  async #send(
    method: 'GET' | 'HEAD',
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<FileResponse> {
    const upload = requestUpload(this.#options.url, this.#services.client);
    if (upload !== undefined) return upload;
    return requestFile(this.#transport(), method, this.#options.url, headers, signal);
  }

  async #headers(): Promise<Record<string, string>> {
    const { url, authHeaderSecret, headers } = this.#options;
    const out: Record<string, string> = { 'user-agent': USER_AGENT };
    for (const { Name, Value } of headers) out[Name.toLowerCase()] = Value;
    const secret = async (id: string): Promise<string | undefined> => {
      const bytes = await this.#services.client.secret(id);
      if (bytes === undefined) return undefined;
      const text = Buffer.from(bytes).toString();
      registerSecret(text);
      return text;
    };
    if (authHeaderSecret !== '') {
      const value = await secret(authHeaderSecret);
      if (value === undefined) {
        throw new CairnError(`failed to retrieve HTTP auth secret ${authHeaderSecret}: not found`, {
          code: 'NOT_FOUND',
        });
      }
      out['authorization'] = value;
      return out;
    }
    const host = URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : '';
    const header = await secret(`HTTP_AUTH_HEADER_${host}`);
    if (header !== undefined) out['authorization'] = header;
    const token = await secret(`HTTP_AUTH_TOKEN_${host}`);
    if (token !== undefined) out['authorization'] = `Bearer ${token}`;
    return out;
  }

  /** Versions of this file that are here still. */
  #known(): Remembered[] {
    const { store, snapshots } = this.#services;
    const rows = store.db
      .prepare('SELECT etag, snapshot, digest, filename, modified FROM source_http WHERE request = ? LIMIT ?')
      .all(this.#request, MAX_ETAGS) as unknown as Remembered[];
    return rows.filter((row) => {
      const snapshot = snapshots.get(row.snapshot);
      if (snapshot !== undefined && snapshots.usable(snapshot)) return true;
      store.db.prepare('DELETE FROM source_http WHERE request = ? AND etag = ?').run(this.#request, row.etag);
      return false;
    });
  }

  /** What a server that answered 304, or 200 to HEAD, says is still the same. */
  #match(known: Remembered[], answer: FileResponse): HttpFile | undefined {
    let etag = etagOf(answer.headers.etag);
    // Asked about one ETag, a server may leave it out of its 304.
    if (etag === '' && answer.status === 304 && known.length === 1) etag = known[0]?.etag ?? '';
    const row = known.find((entry) => entry.etag === etag);
    const snapshot = row === undefined ? undefined : this.#services.snapshots.get(row.snapshot);
    if (row === undefined || snapshot === undefined) return undefined;
    this.#check(row.digest);
    this.#services.snapshots.touch(snapshot.id);
    return {
      filename: this.#filename(answer),
      digest: row.digest,
      modified: httpDate(row.modified),
      snapshot,
    };
  }

  #filename(answer: FileResponse): string {
    const { url, filename } = this.#options;
    return fileNameFor(url, filename, answer.headers['content-disposition']);
  }

  #check(digest: Digest): void {
    const { url, checksum } = this.#options;
    if (checksum === undefined || digest === checksum) return;
    throw new CairnError(`digest mismatch ${digest}: ${checksum}`, {
      code: 'CORRUPT',
      hint: `${redact(url)} has other content than the checksum says`,
    });
  }

  /** Writes the answer's body to a new layer. */
  async #take(answer: FileResponse, context: SourceContext): Promise<HttpFile> {
    const { store, snapshots } = this.#services;
    if (answer.status < 200 || answer.status >= 400) {
      answer.discard();
      throw new CairnError(`invalid response status ${answer.status}`, {
        code: answer.status === 404 ? 'NOT_FOUND' : 'UNAVAILABLE',
        hint: `the server refused ${redact(this.#options.url)}`,
      });
    }
    const filename = this.#filename(answer);
    const lastModified = answer.headers['last-modified'] ?? '';
    const modified = httpDate(lastModified);
    const active = await snapshots.prepare(
      undefined,
      { description: `http url ${redact(this.#options.url)}` },
      context.progress,
    );
    const { snapshot, result: digest } = await writeLayer(active, async (root) => {
      const digest = await this.#write(join(root, filename), answer, modified, context);
      this.#check(digest);
      const same = this.#known().find(
        (row) => row.digest === digest && row.filename === filename && row.modified === lastModified,
      );
      return { result: digest, instead: same === undefined ? undefined : snapshots.get(same.snapshot) };
    });
    store.db
      .prepare('INSERT OR REPLACE INTO source_http VALUES (?, ?, ?, ?, ?, ?)')
      .run(this.#request, etagOf(answer.headers.etag), snapshot.id, digest, filename, lastModified);
    return { filename, digest, modified, snapshot };
  }

  async #write(
    path: string,
    answer: FileResponse,
    modified: Date | undefined,
    context: SourceContext,
  ): Promise<Digest> {
    const { perm, uid, gid, url } = this.#options;
    const hash = createHash('sha256');
    const total = Number(answer.headers['content-length'] ?? 0);
    const started = new Date();
    let current = 0;
    let shown = 0;
    const show = (completed?: Date): void =>
      context.progress.status({
        id: `downloading ${redact(url)}`,
        name: '',
        current,
        total,
        started,
        ...(completed === undefined ? {} : { completed }),
      });
    const file = await open(path, 'wx', DEFAULT_MODE);
    try {
      for await (const chunk of answer.body()) {
        hash.update(chunk);
        await file.write(chunk);
        current += chunk.length;
        if (current - shown >= PROGRESS_STEP_BYTES) {
          shown = current;
          show();
        }
      }
      await file.chmod(perm === 0 ? DEFAULT_MODE : perm & 0o777);
    } finally {
      await file.close();
    }
    if (uid !== 0 || gid !== 0) await chown(path, uid, gid);
    const time = modified ?? new Date(0);
    await utimes(path, time, time);
    if (shown > 0) show(new Date());
    return `sha256:${hash.digest('hex')}`;
  }
}
