/** Pauses that the service asks for: AWS' SDK cuts them to a few seconds, and keeps asking a service that has refused. */
import type { S3Client } from './sdk.ts';
import { MAX_RETRY_AFTER_MS } from '../limits.ts';
import { pause, retryAfterOf } from '../retry.ts';

/** What the SDK itself waits of a Retry-After, beyond its own pause. */
const SDK_WAITS_MS = 5_000;

/** An answer that asks for a longer pause than anybody waits for, which the SDK does not try again. */
export class TooLongPause extends Error {
  /** Not the cause: the SDK looks there for reasons to try again. */
  readonly answer: unknown;

  constructor(answer: unknown) {
    super('the service asks for a long pause');
    this.name = 'TooLongPause';
    this.answer = answer;
  }
}

interface Answered {
  $response?: { headers?: Record<string, string> };
}

/** Makes the client wait as long as answers ask for. */
export function obeyRetryAfter(client: S3Client): void {
  client.middlewareStack.addRelativeTo(
    <A, O>(next: (args: A) => Promise<O>, context: Record<string, unknown>) =>
      async (args: A): Promise<O> => {
        try {
          return await next(args);
        } catch (error) {
          const ms = retryAfterOf((error as Answered).$response?.headers?.['retry-after']) ?? 0;
          if (ms > MAX_RETRY_AFTER_MS) throw new TooLongPause(error);
          if (ms > SDK_WAITS_MS) await pause(ms - SDK_WAITS_MS, signalOf(context));
          throw error;
        }
      },
    { name: 'obeyRetryAfter', relation: 'after', toMiddleware: 'retryMiddleware' },
  );
}

/** Where the SDK's own pauses find what ends them. */
function signalOf(context: Record<string, unknown>): AbortSignal {
  const { abortSignal } = (context['__smithy_context'] ?? {}) as { abortSignal?: AbortSignal };
  return abortSignal ?? new AbortController().signal;
}
