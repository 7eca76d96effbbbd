/** The attributes of an http source and the texts that are made of them (BuildKit v0.32.2, source/http). */
import type { Digest } from '../content/contract.ts';
import { digestOf } from '../llb/digest.ts';
import { goJson } from '../llb/go_json.ts';
import { parseDigest } from '../registry/reference.ts';
import { intAttr, refuseAttrs, type Attrs } from './attrs.ts';

export interface HttpOptions {
  url: string;
  checksum: Digest | undefined;
  /** Empty: not given. */
  filename: string;
  perm: number;
  uid: number;
  gid: number;
  /** Name of the secret; empty: the secrets of the host. */
  authHeaderSecret: string;
  /** Sorted by name. */
  headers: { Name: string; Value: string }[];
}

const HEADER_PREFIX = 'http.header.';
/** Others are dropped without a word, as by BuildKit. */
const HEADERS: Readonly<Record<string, string>> = { accept: 'Accept', 'user-agent': 'User-Agent' };

/** @throws CairnError USAGE or SOLVE for values that do not parse, UNSUPPORTED for signature checks */
export function httpOptions(url: string, attrs: Attrs): HttpOptions {
  refuseAttrs(attrs, url, ['http.sig.pubkey', 'http.sig.signature']);
  const checksum = attrs['http.checksum'];
  const headers = Object.entries(attrs).flatMap(([key, Value]) => {
    const Name = key.startsWith(HEADER_PREFIX)
      ? HEADERS[key.slice(HEADER_PREFIX.length).toLowerCase()]
      : undefined;
    return Name === undefined ? [] : [{ Name, Value }];
  });
  return {
    url,
    checksum: checksum === undefined ? undefined : parseDigest(checksum),
    filename: attrs['http.filename'] ?? '',
    perm: intAttr(attrs, 'http.perm'),
    uid: intAttr(attrs, 'http.uid'),
    gid: intAttr(attrs, 'http.gid'),
    authHeaderSecret: attrs['http.authheadersecret'] ?? '',
    headers: headers.sort((a, b) => (a.Name < b.Name ? -1 : 1)),
  };
}

/** Under which a download is remembered: everything that shapes request and result. */
export function requestHash(options: HttpOptions): Digest {
  const { url, filename, perm, uid, gid, authHeaderSecret, headers } = options;
  return digestOf(JSON.stringify([url, filename, perm, uid, gid, authHeaderSecret, headers]));
}

/** The cache key: name, owner, mode, content and date of the file. */
export function httpKey(
  options: HttpOptions,
  file: { filename: string; digest: Digest; modified: Date | undefined },
): Digest {
  const { perm, uid, gid, authHeaderSecret, headers } = options;
  return digestOf(
    goJson({
      Filename: file.filename,
      Perm: perm,
      UID: uid,
      GID: gid,
      Checksum: file.digest,
      LastModTime: file.modified?.toUTCString(),
      AuthHeaderSecret: authHeaderSecret === '' ? undefined : authHeaderSecret,
      Header: headers.length === 0 ? undefined : headers,
    }),
  );
}
