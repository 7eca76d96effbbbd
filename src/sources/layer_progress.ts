/** A provider that shows how many bytes of each layer have been read. */
import type { BlobProvider } from '../content/contract.ts';
import type { VertexProgress } from '../progress/events.ts';

/** Bytes between two events, at least: a small layer needs two events, a large one some hundreds. */
const MIN_STEP_BYTES = 256 * 1024;
const STEPS = 200;

/** Reads from `provider`; every read is a status of `progress`, named by the blob's digest. */
export function withProgress(provider: BlobProvider, progress: VertexProgress): BlobProvider {
  return {
    progress,
    async *read(blob, options) {
      const started = new Date();
      const step = Math.max(MIN_STEP_BYTES, blob.size / STEPS);
      let current = options?.range?.start ?? 0;
      let shown = current;
      const show = (completed?: Date): void =>
        progress.status({
          id: blob.digest,
          name: '',
          current,
          total: blob.size,
          started,
          ...(completed === undefined ? {} : { completed }),
        });
      show();
      for await (const chunk of provider.read(blob, options)) {
        current += chunk.length;
        if (current - shown >= step) {
          shown = current;
          show();
        }
        yield chunk;
      }
      show(new Date());
    },
  };
}
