/** The storage behind GitHub's cache: Azure block blobs over signed URLs, as far as cache clients use them. */
import type { IncomingMessage } from 'node:http';
import type { CacheEntryRow } from './github_cache_store.ts';
import { signature } from './github_cache_store.ts';

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: Buffer | string;
}

export function signedPath(
  secret: string,
  row: CacheEntryRow,
  permission: 'r' | 'w',
  expires: number,
): string {
  const query = new URLSearchParams({
    se: new Date(expires).toISOString(),
    sp: permission,
    sig: signature(secret, row.id, permission, expires),
  }).toString();
  return `/actions-cache/${row.id}?${query}`;
}

function failure(status: number, code: string, message: string): Reply {
  return {
    status,
    headers: { 'content-type': 'application/xml', 'x-ms-error-code': code },
    body: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
  };
}

/** @param now what the storage takes for the time */
export function storage(
  secret: string,
  rows: readonly CacheEntryRow[],
  request: IncomingMessage,
  url: URL,
  body: Buffer,
  now: number,
): Reply {
  const id = Number(url.pathname.split('/').at(-1));
  const query = url.searchParams;
  const expires = Date.parse(query.get('se') ?? '');
  const permission = query.get('sp') ?? '';
  if (query.get('sig') !== signature(secret, id, permission, expires) || !(expires > now))
    return failure(403, 'AuthenticationFailed', 'Signature not valid in the specified time frame');
  if (permission !== (request.method === 'GET' ? 'r' : 'w'))
    return failure(403, 'AuthorizationPermissionMismatch', 'not allowed by this signature');
  const row = rows.find((each) => each.id === id);
  if (row === undefined) return failure(404, 'BlobNotFound', 'The specified blob does not exist.');
  if (request.method === 'GET') return read(row, request.headers.range);
  if (request.method === 'PUT') return write(row, request, query, body);
  return failure(405, 'UnsupportedHttpVerb', 'The resource does not support this verb.');
}

function read({ bytes }: CacheEntryRow, range: string | undefined): Reply {
  if (bytes === undefined) return failure(404, 'BlobNotFound', 'The specified blob does not exist.');
  if (range === undefined) return { status: 200, headers: { 'accept-ranges': 'bytes' }, body: bytes };
  const [, first = '', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? [];
  const start = Number(first);
  const end = last === '' ? bytes.length : Math.min(bytes.length, Number(last) + 1);
  if (first === '' || start >= end) return failure(416, 'InvalidRange', 'The range is invalid.');
  return {
    status: 206,
    headers: { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` },
    body: bytes.subarray(start, end),
  };
}

function write(row: CacheEntryRow, request: IncomingMessage, query: URLSearchParams, body: Buffer): Reply {
  if (row.bytes !== undefined) return failure(409, 'BlobImmutableDueToPolicy', 'the entry is completed');
  switch (query.get('comp')) {
    case null:
      if (request.headers['x-ms-blob-type'] !== 'BlockBlob')
        return failure(400, 'MissingRequiredHeader', 'x-ms-blob-type');
      row.uploaded = body;
      return { status: 201 };
    case 'block': {
      const id = query.get('blockid') ?? '';
      const [other] = row.parts.keys();
      const length = Buffer.from(id, 'base64').length;
      if (length === 0 || length > 64 || (other !== undefined && other.length !== id.length))
        return failure(400, 'InvalidBlobOrBlock', 'The specified blob or block content is invalid.');
      row.parts.set(id, body);
      return { status: 201 };
    }
    case 'blocklist': {
      const ids = [...body.toString().matchAll(/<(?:Latest|Uncommitted)>([^<]*)</g)].map(([, id = '']) => id);
      const parts = ids.map((id) => row.parts.get(id));
      if (parts.some((part) => part === undefined))
        return failure(400, 'InvalidBlockList', 'The specified block list is invalid.');
      row.uploaded = Buffer.concat(parts.filter((part) => part !== undefined));
      return { status: 201 };
    }
    default:
      return failure(400, 'InvalidQueryParameterValue', 'comp');
  }
}
