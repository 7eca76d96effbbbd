/** From a failed vertex to the lines of the Dockerfile that made it. */
import type { Digest } from '../content/contract.ts';
import { CairnError } from '../errors/error.ts';
import type { Definition, Range } from '../llb/gen/ops_pb.js';
import type { SourceRange } from '../progress/events.ts';
import { SolveError } from '../solver/error.ts';

export interface ErrorSource {
  filename: string;
  data: Uint8Array;
  ranges: SourceRange[];
}

/** A build that failed; `sources` are the places to show. */
export class BuildError extends CairnError {
  readonly sources: ErrorSource[];

  constructor(cause: CairnError, sources: ErrorSource[]) {
    super(cause.message, { code: cause.code, hint: cause.hint, cause });
    this.name = 'BuildError';
    this.sources = sources;
  }
}

/** Source maps of all definitions of one build. */
export class SourceLocations {
  readonly #definitions: Definition[] = [];

  add(definition: Definition): void {
    this.#definitions.push(definition);
  }

  of(vertex: Digest): ErrorSource[] {
    for (const { Source: source } of this.#definitions.toReversed()) {
      const locations = source?.locations[vertex]?.locations ?? [];
      const found = locations.flatMap(({ sourceIndex, ranges }) => {
        const info = source?.infos[sourceIndex];
        return info === undefined
          ? []
          : [{ filename: info.filename, data: info.data, ranges: ranges.map(plainRange) }];
      });
      if (found.length > 0) return found;
    }
    return [];
  }

  /** The error with the Dockerfile's lines attached where a vertex is known; others as they are. */
  attach(error: unknown): unknown {
    return error instanceof SolveError ? new BuildError(error, this.of(error.vertex.digest)) : error;
  }
}

function plainRange({ start, end }: Range): SourceRange {
  return {
    start: { line: start?.line ?? 0, character: start?.character ?? 0 },
    end: { line: end?.line ?? 0, character: end?.character ?? 0 },
  };
}
