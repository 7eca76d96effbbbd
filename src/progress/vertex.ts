/** Work that is shown as a vertex of its own although no LLB op stands behind it: loading metadata, exporting. */
import { createHash, randomUUID } from 'node:crypto';
import type { Digest } from '../content/contract.ts';
import { messageOf } from '../errors/error.ts';
import type { ProgressSink, VertexEvent, VertexProgress } from './events.ts';

/** Runs `work` under a new vertex: started, then completed or failed. */
export async function runVertex<T>(
  sink: ProgressSink,
  name: string,
  work: (progress: VertexProgress) => Promise<T>,
): Promise<T> {
  const digest: Digest = `sha256:${createHash('sha256').update(randomUUID()).digest('hex')}`;
  const started: VertexEvent = { digest, inputs: [], name, started: new Date() };
  sink.vertex(started);
  try {
    const result = await work(vertexProgress(sink, digest));
    sink.vertex({ ...started, completed: new Date() });
    return result;
  } catch (error) {
    sink.vertex({ ...started, completed: new Date(), error: messageOf(error) });
    throw error;
  }
}

/** The part of the stream that belongs to the vertex with this digest. */
export function vertexProgress(sink: ProgressSink, digest: Digest): VertexProgress {
  return {
    log: (stream, data) => sink.log({ vertex: digest, stream, data, timestamp: new Date() }),
    status: (status) => sink.status({ ...status, vertex: digest, timestamp: new Date() }),
    warning: (warning) => sink.warning({ ...warning, vertex: digest }),
  };
}

/** A status that starts now, as `exporting layers`; call the result when it is done. */
export function startStatus(progress: VertexProgress, id: string): () => void {
  const started = new Date();
  progress.status({ id, name: '', current: 0, total: 0, started });
  return () => progress.status({ id, name: '', current: 0, total: 0, started, completed: new Date() });
}
