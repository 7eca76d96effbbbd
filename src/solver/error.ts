import { CairnError, messageOf } from '../errors/error.ts';
import type { Vertex } from '../llb/graph.ts';

/** A vertex that failed. The vertex leads to the lines of the Dockerfile through the definition's source map. */
export class SolveError extends CairnError {
  readonly vertex: Vertex;

  /** `doing` goes before the cause's message, in the words of BuildKit's solver. */
  constructor(vertex: Vertex, cause: unknown, doing?: string) {
    const known = cause instanceof CairnError ? cause : undefined;
    super(doing === undefined ? messageOf(cause) : `${doing}: ${messageOf(cause)}`, {
      code: known?.code ?? 'SOLVE',
      hint: known?.hint,
      cause,
    });
    this.name = 'SolveError';
    this.vertex = vertex;
  }

  /** `error` itself when it names a vertex already: the innermost one is the one that failed. */
  static from(vertex: Vertex, error: unknown, doing?: string): SolveError {
    return error instanceof SolveError ? error : new SolveError(vertex, error, doing);
  }
}

/** What a session rejects with when its signal fired. */
export function canceled(signal: AbortSignal): CairnError {
  const { reason } = signal;
  return reason instanceof CairnError
    ? reason
    : new CairnError('the build was canceled', { code: 'CANCELED', cause: reason });
}

export function isCanceled(error: unknown): boolean {
  return error instanceof CairnError && error.code === 'CANCELED';
}
