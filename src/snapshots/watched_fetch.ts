/** Fetching a blob, shown as a download. */
import type { Descriptor } from '../content/contract.ts';
import type { VertexProgress } from '../progress/events.ts';

/** Progress of a fetch is told at most this often, in milliseconds. */
const PROGRESS_MS = 100;

/** The bytes, with their count told as the status of a download. */
export async function* watched(
  bytes: AsyncIterable<Uint8Array>,
  blob: Descriptor,
  progress: VertexProgress | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const started = new Date();
  let current = 0;
  let told = 0;
  const tell = (completed?: Date): void => {
    const times = completed === undefined ? { started } : { started, completed };
    progress?.status({ id: blob.digest, name: 'downloading', current, total: blob.size, ...times });
  };
  tell();
  for await (const chunk of bytes) {
    yield chunk;
    current += chunk.length;
    if (Date.now() - told >= PROGRESS_MS) {
      told = Date.now();
      tell();
    }
  }
  tell(new Date());
}
