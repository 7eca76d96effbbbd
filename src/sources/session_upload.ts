/** Contexts that the client uploads: `http://buildkit-session/ID` (BuildKit v0.32.2, source/http, session/upload). */
import { CairnError } from '../errors/error.ts';
import type { ContextSource } from './contract.ts';
import type { FileResponse } from './http_request.ts';

const HOST = 'buildkit-session';

/** The answer that BuildKit's transport makes of an upload; undefined: the URL is an ordinary one. @throws CairnError NOT_FOUND */
export function requestUpload(href: string, client: ContextSource): FileResponse | undefined {
  if (!URL.canParse(href)) return undefined;
  const { host, pathname } = new URL(href);
  if (host !== HOST) return undefined;
  const id = pathname.slice(pathname.lastIndexOf('/') + 1);
  const bytes = client.upload(id);
  if (bytes === undefined)
    throw new CairnError(`no http response from session for ${id}`, { code: 'NOT_FOUND' });
  return { status: 200, headers: {}, body: () => bytes, discard: () => {} };
}
