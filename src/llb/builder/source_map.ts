/** Where in a source file a vertex comes from. */
import { create } from '@bufbuild/protobuf';
import { SourceInfoSchema, SourceSchema } from '../gen/ops_pb.js';
import type { Definition, Location, Range, Source } from '../gen/ops_pb.js';

/** A source file; one object per file, compared by identity first. */
export interface SourceMap {
  filename: string;
  /** A name of GitHub's linguist, e.g. `Dockerfile`. */
  language: string;
  data: Uint8Array;
  /** The definition whose result holds the file. */
  definition: Definition | undefined;
}

/** Lines from 1, characters from 0. */
export interface PlainRange {
  start: { line: number; character: number };
  end: { line: number; character: number };
}

export interface SourceLocation {
  map: SourceMap;
  ranges: readonly PlainRange[];
}

/** Gathers the locations of a definition's vertices; equal files are listed once. */
export class SourceMapCollector {
  readonly #maps: SourceMap[] = [];
  readonly #index = new Map<SourceMap, number>();
  readonly #locations = new Map<string, Location[]>();

  /** Called once for each built vertex, also without locations: it is listed all the same. */
  add(digest: string, locations: readonly SourceLocation[]): void {
    const known = this.#locations.get(digest) ?? [];
    for (const { map, ranges } of locations) {
      known.push({
        $typeName: 'pb.Location',
        sourceIndex: this.#indexOf(map),
        ranges: ranges.map(rangeMessage),
      });
    }
    this.#locations.set(digest, known);
  }

  toMessage(): Source {
    const source = create(SourceSchema, {
      infos: this.#maps.map(({ filename, language, data }) =>
        create(SourceInfoSchema, { filename, language, data }),
      ),
    });
    for (const [i, { definition }] of this.#maps.entries()) {
      const info = source.infos[i];
      if (info !== undefined && definition !== undefined) info.definition = definition;
    }
    for (const [digest, locations] of this.#locations) {
      source.locations[digest] = { $typeName: 'pb.Locations', locations };
    }
    return source;
  }

  #indexOf(map: SourceMap): number {
    let index = this.#index.get(map);
    if (index === undefined) {
      index = this.#maps.findIndex((other) => sameFile(other, map));
      if (index === -1) index = this.#maps.push(map) - 1;
      this.#index.set(map, index);
    }
    return index;
  }
}

function sameFile(a: SourceMap, b: SourceMap): boolean {
  return a.filename === b.filename && a.language === b.language && Buffer.compare(a.data, b.data) === 0;
}

/** A range as a message. */
export function rangeMessage({ start, end }: PlainRange): Range {
  return {
    $typeName: 'pb.Range',
    start: { $typeName: 'pb.Position', ...start },
    end: { $typeName: 'pb.Position', ...end },
  };
}
