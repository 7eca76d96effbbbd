/** What a downloaded file is called (BuildKit v0.32.2, source/http getFileName, source/util/pathutil). */

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

const PARAMETER = /;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/g;

/** The file name of a Content-Disposition header (RFC 6266); `filename*` before `filename`. */
function dispositionName(header: string): string | undefined {
  if (!/^\s*[\w-]+\s*(;|$)/.test(header)) return undefined;
  let plain: string | undefined;
  for (const [, key = '', quoted, bare] of header.matchAll(PARAMETER)) {
    const value = quoted === undefined ? (bare ?? '') : quoted.replace(/\\(.)/g, '$1');
    const name = key.toLowerCase();
    if (name === 'filename') plain ??= value;
    const extended = name === 'filename*' ? /^utf-8'[^']*'(.*)$/i.exec(value) : null;
    if (extended === null) continue;
    try {
      return decodeURIComponent(extended[1] ?? '');
    } catch {
      // Not percent-encoded UTF-8: the plain name stands.
    }
  }
  return plain;
}

function urlBase(url: string): string {
  // URL would resolve `..`, Go's parser does not.
  const path = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*([^?#]*)/i.exec(url)?.[1] ?? '';
  let decoded = path;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return '';
  }
  const base = baseName(decoded);
  return base === '.' || base === '/' ? '' : base;
}

/** The name by attribute, else by the response's Content-Disposition, else by the URL. */
export function fileNameFor(url: string, attribute: string, disposition: string | undefined): string {
  if (attribute !== '') return safeFileName(attribute);
  const named = disposition === undefined ? undefined : dispositionName(disposition);
  if (named !== undefined && named !== '' && !named.endsWith('/')) return safeFileName(named);
  return safeFileName(urlBase(url));
}
