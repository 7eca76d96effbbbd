/** URLs as Go's net/url (1.26) reads and writes them, since it decides what ADD and contexts take for one. */
import { isIPv6 } from 'node:net';
import { decodeText, encodeText } from './bytes.ts';

export interface GoUrl {
  /** In lower case. */
  scheme: string;
  /** With the port, without user and password. */
  host: string;
  /** Decoded. */
  path: string;
  /** As written, without the question mark. */
  query: string;
  /** Decoded. */
  fragment: string;
  /** The URL as Go writes it, without query and fragment. */
  address: string;
}

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\0-\x1f\x7f]/;
const PARTS = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\/([^/]*)([^]*)$/;
const USERINFO = /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/;
const PORT = /^(?::\d*)?$/;
/** ASCII characters of a host beside percent signs. */
const HOST = /^(?:[A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"]|[^\0-\x7f])*$/;
/** What a written path may hold for Go to leave it as it is. */
const ENCODED_PATH = /^[A-Za-z0-9\-_.~!$&'()*+,;=:@[\]%/]*$/;
const PLAIN = {
  path: /[A-Za-z0-9\-_.~$&+,/:;=@]/,
  user: /[A-Za-z0-9\-_.~$&+,;=]/,
  host: /[A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"]/,
};

/** The parts of a `scheme://` URL; undefined: Go refuses it. */
export function parseGoUrl(text: string): GoUrl | undefined {
  const hash = text.indexOf('#');
  const fragment = hash === -1 ? '' : unescapePercent(text.slice(hash + 1));
  const written = hash === -1 ? text : text.slice(0, hash);
  // A single question mark at the end is kept, as an empty query.
  const forced = written.indexOf('?') === written.length - 1;
  const mark = written.indexOf('?');
  const match = PARTS.exec(mark === -1 ? written : written.slice(0, mark));
  if (match === null || fragment === undefined || CONTROL.test(written)) return undefined;
  const [, schemeText = '', authority = '', pathText = ''] = match;
  const scheme = schemeText.toLowerCase();
  const at = authority.lastIndexOf('@');
  const host = parseHost(scheme, authority.slice(at + 1));
  const user = at === -1 ? '' : parseUser(authority.slice(0, at));
  const path = unescapePercent(pathText);
  if (host === undefined || user === undefined || path === undefined) return undefined;
  const shownPath = ENCODED_PATH.test(pathText) ? pathText : escapeBytes(path, PLAIN.path);
  return {
    scheme,
    host,
    path,
    query: mark === -1 ? '' : written.slice(mark + 1),
    fragment,
    address: `${scheme}://${user}${escapeBytes(host, PLAIN.host)}${shownPath}${forced ? '?' : ''}`,
  };
}

/** `text` with `%XX` decoded; undefined when a percent sign is followed by something else. */
export function unescapePercent(text: string): string | undefined {
  if (!text.includes('%')) return text;
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  const parts = text.split(/((?:%[0-9a-fA-F]{2})+)/).map((part, i) => {
    return i % 2 === 0 ? encodeText(part) : Buffer.from(part.replaceAll('%', ''), 'hex');
  });
  return decodeText(Buffer.concat(parts));
}

function parseHost(scheme: string, text: string): string | undefined {
  const open = text.lastIndexOf('[');
  if (open > 0) return undefined;
  if (open === 0) {
    const close = text.lastIndexOf(']');
    const address = unescapeHost(text.slice(1, Math.max(1, close)).replace('%25', '%'));
    if (close === -1 || !PORT.test(text.slice(close + 1))) return undefined;
    return address !== undefined && isIPv6(address) ? `[${address}]${text.slice(close + 1)}` : undefined;
  }
  const strict = scheme === 'http' || scheme === 'https';
  const colon = strict ? text.indexOf(':') : text.lastIndexOf(':');
  if (colon !== -1 && !PORT.test(text.slice(colon))) return undefined;
  return unescapeHost(text);
}

/** Only bytes that are not ASCII may be written with a percent sign in a host, and the percent sign itself. */
function unescapeHost(text: string): string | undefined {
  if (!HOST.test(text.replaceAll('%', ''))) return undefined;
  return /%(?!25)[0-7]/.test(text) ? undefined : unescapePercent(text);
}

function parseUser(text: string): string | undefined {
  if (!USERINFO.test(text)) return undefined;
  const colon = text.indexOf(':');
  const parts = colon === -1 ? [text] : [text.slice(0, colon), text.slice(colon + 1)];
  const shown: string[] = [];
  for (const part of parts) {
    const decoded = unescapePercent(part);
    if (decoded === undefined) return undefined;
    shown.push(escapeBytes(decoded, PLAIN.user));
  }
  return `${shown.join(':')}@`;
}

function escapeBytes(text: string, plain: RegExp): string {
  let out = '';
  for (const byte of encodeText(text)) {
    const char = String.fromCharCode(byte);
    out += byte < 0x80 && plain.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}
