/** The frontend's one error class, and how source ranges get attached to whatever was thrown. */
import { CairnError, messageOf } from '../../../errors/error.ts';
import type { CairnErrorOptions } from '../../../errors/error.ts';
import type { SourceRange } from '../../../progress/events.ts';

export interface DockerfileErrorOptions extends Partial<CairnErrorOptions> {
  locations?: readonly (readonly SourceRange[])[];
}

/**
 * An error about a Dockerfile. `locations` has one list of line ranges for each level that added its own,
 * innermost first, without file names: only the caller knows what the file is called. The text is BuildKit's.
 */
export class DockerfileError extends CairnError {
  readonly locations: readonly (readonly SourceRange[])[];

  constructor(message: string, options: DockerfileErrorOptions = {}) {
    // Bytes of the Dockerfile that are not UTF-8 are shown as U+FFFD.
    super(message.toWellFormed(), { ...options, code: options.code ?? 'DOCKERFILE' });
    this.name = 'DockerfileError';
    this.locations = options.locations ?? [];
  }
}

/** The ranges attached to `error`; undefined when it never got any. */
export function locationsOf(error: unknown): readonly (readonly SourceRange[])[] | undefined {
  return error instanceof DockerfileError && error.locations.length > 0 ? error.locations : undefined;
}

/** `error` with `location` added after the ranges it already has. Code, hint and message stay. */
export function withLocation(error: unknown, location: readonly SourceRange[]): DockerfileError {
  return relocate(error, [...(locationsOf(error) ?? []), location]);
}

/** `error` with `location` as its only range: for text that came from elsewhere, as an ONBUILD trigger does. */
export function setLocation(error: unknown, location: readonly SourceRange[]): DockerfileError {
  return relocate(error, [location]);
}

/** `error` with `prefix` and a colon before its message; ranges, code and hint stay. */
export function wrapError(error: unknown, prefix: string): DockerfileError {
  return new DockerfileError(`${prefix}: ${messageOf(error)}`, {
    ...inherited(error),
    cause: error,
    locations: locationsOf(error) ?? [],
  });
}

function relocate(error: unknown, locations: readonly (readonly SourceRange[])[]): DockerfileError {
  // A copy stands for the original: only what led to that is a cause.
  const cause: unknown = error instanceof DockerfileError ? error.cause : error;
  return new DockerfileError(messageOf(error), { ...inherited(error), cause, locations });
}

function inherited(error: unknown): DockerfileErrorOptions {
  return error instanceof CairnError ? { code: error.code, hint: error.hint } : {};
}

/**
 * One range for each line from `start` to `end`, both included; characters are always 0.
 * An `end` before `start` counts as `start`, so `lineRanges(n, 0)` is line n alone.
 */
export function lineRanges(start: number, end: number): SourceRange[] {
  const ranges: SourceRange[] = [];
  for (let line = start; line <= Math.max(start, end); line++) {
    ranges.push({ start: { line, character: 0 }, end: { line, character: 0 } });
  }
  return ranges;
}
