/** `--file` with an http address: downloaded for the build alone, whatever the context is, as by docker buildx. */
import { CairnError, messageOf, redact } from '../../errors/error.ts';
import { readDockerfile } from './stdin.ts';

/** For all of it, in milliseconds: it is a text file. */
const TIMEOUT_MS = 60_000;

export function isHttp(file: string): boolean {
  return /^https?:\/\//.test(file);
}

/** @throws CairnError UNAVAILABLE, NOT_FOUND; USAGE when it is too large for a Dockerfile */
export async function downloadDockerfile(url: string): Promise<Uint8Array> {
  const { createTransport } = await import('../../registry/transport.ts');
  const { requestFile } = await import('../../sources/http_request.ts');
  const failed = (why: string, code: 'NOT_FOUND' | 'UNAVAILABLE', cause?: unknown) =>
    new CairnError(`failed to download the Dockerfile ${redact(url)}: ${why}`, { code, cause });
  const transport = createTransport();
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await requestFile(transport, 'GET', url, {}, signal).catch((error: unknown) => {
      throw failed(messageOf(error), 'UNAVAILABLE', error);
    });
    if (response.status < 200 || response.status >= 300) {
      response.discard();
      throw failed(
        `response status ${response.status}`,
        response.status === 404 ? 'NOT_FOUND' : 'UNAVAILABLE',
      );
    }
    return await readDockerfile(response.body());
  } finally {
    transport.close();
  }
}
