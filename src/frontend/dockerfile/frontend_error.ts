/** Errors of the frontend as they leave it: with file names. */
import { CairnError, messageOf } from '../../errors/error.ts';
import type { SourceRange } from '../../progress/events.ts';
import { locationsOf } from './parser/error.ts';

/** Lines of a file that an error is about. */
export interface ErrorSource {
  filename: string;
  data: Uint8Array;
  ranges: SourceRange[];
}

/** A build that failed before anything was solved; `sources` are the places to show, innermost first. */
export class FrontendError extends CairnError {
  readonly sources: readonly ErrorSource[];

  constructor(error: unknown, sources: readonly ErrorSource[]) {
    const { code, hint } =
      error instanceof CairnError ? error : { code: 'DOCKERFILE' as const, hint: undefined };
    super(messageOf(error).toWellFormed(), { code, hint, cause: error });
    this.name = 'FrontendError';
    this.sources = sources;
  }

  /** `error` with the ranges attached to it as places in one file. */
  static at(error: unknown, file: { filename: string; data: Uint8Array }): FrontendError {
    const { filename, data } = file;
    const sources = (locationsOf(error) ?? []).map((ranges) => ({ filename, data, ranges: [...ranges] }));
    return new FrontendError(error, sources);
  }
}
