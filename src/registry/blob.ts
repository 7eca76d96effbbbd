/** Downloading blobs (distribution-spec v1.1, "Pulling blobs"): in order, resumed where a connection broke off. */
import { CairnError } from '../errors/error.ts';
import type { ByteRange, Descriptor } from '../content/contract.ts';
import { canceled, pause } from './cancel.ts';
import type { Answer } from './connection.ts';
import { MAX_FRUITLESS_RESUMES, MAX_RESUMES } from './limits.ts';
import { firstOf, isMissing, notFound, type PullTarget } from './pull.ts';
import { RegistryError } from './registry_error.ts';
import { backoff, mayPass } from './retry.ts';
import { repositoryScope } from './scopes.ts';

/** Opens the blob at `offset`; the answer may start earlier where a server ignores ranges. */
async function openBlob(
  target: PullTarget,
  blob: Descriptor,
  offset: number,
  end: number | undefined,
  signal: AbortSignal | undefined,
): Promise<{ answer: Answer; skip: number }> {
  const { repository } = target.reference;
  const whole = offset === 0 && end === undefined;
  const answer = await firstOf(target, signal, (endpoint) =>
    target.connections.send(endpoint, {
      method: 'GET',
      target: `/${repository}/blobs/${blob.digest}`,
      scopes: [repositoryScope(repository, 'pull')],
      lane: 'read',
      accept: whole ? [200] : [200, 206],
      headers: whole ? {} : { range: `bytes=${offset}-${end === undefined ? '' : end - 1}` },
      signal,
    }),
  );
  return { answer, skip: answer.status === 206 ? 0 : offset };
}

/**
 * The bytes of a blob or of a range of it. A download that breaks off goes on where it stopped.
 * @throws CairnError NOT_FOUND; CORRUPT when there are fewer or more bytes than the descriptor says
 */
export async function* readBlob(
  target: PullTarget,
  blob: Descriptor,
  options: { range?: ByteRange | undefined; signal?: AbortSignal | undefined } = {},
): AsyncIterable<Uint8Array> {
  const { signal } = options;
  const what = `blob ${blob.digest} of ${target.reference.host}/${target.reference.repository}`;
  const last = Math.min(options.range?.end ?? blob.size, blob.size);
  let offset = options.range?.start ?? 0;
  const end = last < blob.size ? last : undefined;
  let fruitless = 0;
  for (let resumes = 0; offset < last || (last === 0 && resumes === 0); resumes++) {
    const start = offset;
    const { answer, skip } = await openBlob(target, blob, offset, end, signal).catch((error: unknown) => {
      if (isMissing(error)) throw notFound(what, error);
      // The range begins where the server's blob ends.
      if (error instanceof RegistryError && error.status === 416) throw truncated(what, start, blob.size);
      throw error;
    });
    let toSkip = skip;
    try {
      for await (const part of answer.body()) {
        const chunk = part.subarray(Math.min(toSkip, part.length));
        toSkip -= part.length - chunk.length;
        if (offset + chunk.length > last) {
          if (end === undefined) {
            throw new CairnError(`${what} is longer than its ${blob.size} bytes`, { code: 'CORRUPT' });
          }
          yield chunk.subarray(0, last - offset);
          return;
        }
        offset += chunk.length;
        if (chunk.length > 0) yield chunk;
      }
    } catch (error) {
      if (signal?.aborted === true) throw canceled(signal);
      fruitless = offset > start ? 0 : fruitless + 1;
      if (fruitless > MAX_FRUITLESS_RESUMES || resumes >= MAX_RESUMES || !mayPass(error)) throw error;
      await pause(backoff(resumes + 1, error), signal);
      continue;
    }
    if (offset >= last) return;
    fruitless = offset > start ? 0 : fruitless + 1;
    if (fruitless > MAX_FRUITLESS_RESUMES || resumes >= MAX_RESUMES) throw truncated(what, offset, blob.size);
  }
}

function truncated(what: string, offset: number, size: number): CairnError {
  return new CairnError(`${what} ended after ${offset} of ${size} bytes`, {
    code: 'CORRUPT',
    hint: 'the registry has a truncated copy; push the image there again',
  });
}
