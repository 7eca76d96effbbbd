/** Source information as Go's encoding/json writes BuildKit's protobuf structs, for the results of subrequests. */
import type { SourceMap } from '../../../llb/builder/source_map.ts';
import type { Definition, OpMetadata } from '../../../llb/gen/ops_pb.js';
import { sortKeys } from '../../../llb/marshal.ts';
import type { SourceRange } from '../../../progress/events.ts';

/** A location with the first source file; undefined: no ranges. */
export function locationJson(ranges: readonly SourceRange[]): object | undefined {
  return ranges.length === 0 ? undefined : { ranges: ranges.map(rangeJson) };
}

function rangeJson({ start, end }: SourceRange): object {
  return { start: positionJson(start), end: positionJson(end) };
}

function positionJson({ line, character }: SourceRange['start']): object {
  return { line: nonZero(line), character: nonZero(character) };
}

/** pb.SourceInfo, with the definition that the file was read from. */
export function sourceInfoJson({ filename, language, data, definition }: SourceMap): object {
  return {
    filename: nonEmpty(filename),
    data: nonEmpty(base64(data)),
    definition: definition && definitionJson(definition),
    language: nonEmpty(language),
  };
}

export function base64(data: Uint8Array): string {
  return Buffer.from(data).toString('base64');
}

function definitionJson({ def, metadata, Source: source }: Definition): object {
  const locations = Object.keys(source?.locations ?? {}).map((digest) => [digest, {}] as const);
  return {
    def: def.map(base64),
    metadata: mapJson(Object.entries(metadata).map(([digest, entry]) => [digest, metadataJson(entry)])),
    Source: source && { locations: mapJson(locations) },
  };
}

function metadataJson({ ignoreCache, description, caps }: OpMetadata): object {
  return {
    ignore_cache: ignoreCache ? true : undefined,
    description: mapJson(Object.entries(description)),
    caps: mapJson(Object.entries(caps)),
  };
}

function mapJson(entries: readonly (readonly [string, unknown])[]): object | undefined {
  return entries.length === 0 ? undefined : sortKeys(Object.fromEntries(entries));
}

function nonEmpty(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function nonZero(value: number): number | undefined {
  return value === 0 ? undefined : value;
}
