/** What a downloaded file is called (BuildKit v0.32.2, source/http getFileName, source/util/pathutil). */
import { displayName, toBinary } from '../snapshots/names.ts';
import { dispositionParameters, percentDecode } from './content_disposition.ts';

const DEFAULT_NAME = 'download';
/** Unicode's Cc, Go's unicode.IsControl. */
const CONTROL = /\p{Cc}/u;

/** Go's filepath.Base on Unix. */
function baseName(path: string): string {
  if (path === '') return '.';
  const trimmed = path.replace(/\/+$/, '');
  if (trimmed === '') return '/';
  return trimmed.slice(trimmed.lastIndexOf('/') + 1);
}

/** The last part of `text` where it can be the name of a file, else `download`. */
export function safeFileName(text: string): string {
  const name = baseName(text.trim());
  if (name === '' || name === '.' || name === '..' || name === '/') return DEFAULT_NAME;
  return CONTROL.test(name) ? DEFAULT_NAME : name;
}

function urlBase(url: string): string {
  // URL would resolve `..`, Go's parser does not.
  const path = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*([^?#]*)/i.exec(url)?.[1] ?? '';
  const decoded = percentDecode(toBinary(path));
  // Go's parser refuses the whole URL.
  if (decoded === undefined) return '';
  const base = baseName(displayName(decoded));
  return base === '.' || base === '/' ? '' : base;
}

/**
 * The name by attribute, else by the response's Content-Disposition (a binary string, as HTTP headers are read), else
 * by the URL.
 */
export function fileNameFor(url: string, attribute: string, disposition: string | undefined): string {
  if (attribute !== '') return safeFileName(attribute);
  const named = disposition === undefined ? undefined : dispositionParameters(disposition)?.get('filename');
  if (named !== undefined && named !== '' && !named.endsWith('/')) return safeFileName(displayName(named));
  return safeFileName(urlBase(url));
}
