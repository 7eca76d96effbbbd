/** What the frontend answered, in the shape of a case's expected.json. */
import { fromBinary, toJson } from '@bufbuild/protobuf';
import type {
  FrontendForward,
  FrontendResult,
  FrontendWarning,
  Gateway,
  SubrequestResult,
} from '../../src/frontend/dockerfile/contract.ts';
import { messageOf } from '../../src/errors/error.ts';
import {
  buildDockerfile,
  detectForward,
  lintDockerfile,
  outlineDockerfile,
  targetsDockerfile,
} from '../../src/frontend/dockerfile/frontend.ts';
import { locationsOf } from '../../src/frontend/dockerfile/parser/error.ts';
import { digestOf } from '../../src/llb/digest.ts';
import { OpMetadataSchema, OpSchema } from '../../src/llb/gen/ops_pb.js';
import type { Definition, Range } from '../../src/llb/gen/ops_pb.js';
import type { SourceRange } from '../../src/progress/events.ts';
import type { Recording } from './llb_case.ts';

export interface CaseResult {
  internal: unknown[];
  resolveImageConfig: unknown[];
  warnings: unknown[];
  result?: unknown;
  error?: unknown;
  forward?: unknown;
  lint?: unknown;
  outline?: unknown;
  targets?: unknown;
}

/** Runs the build and the three subrequests, each with a gateway of its own. */
export async function answer(open: () => { gateway: Gateway; recording: Recording }): Promise<CaseResult> {
  const probe = open();
  let outcome: Pick<CaseResult, 'result' | 'error'>;
  let finals: Definition[] = [];
  let { recording } = probe;
  try {
    const forward = await detectForward(probe.gateway);
    if (forward !== undefined) return forwarded(forward, recording);
    const build = open();
    recording = build.recording;
    const result = await buildDockerfile(build.gateway);
    finals = result.refs.flatMap(({ definition }) => (definition === undefined ? [] : [definition]));
    outcome = { result: resultOf(result) };
  } catch (error) {
    outcome = { error: errorOf(error) };
  }
  // The data lists with the frontend's own definitions every one that has no source map, results included.
  const internal = [
    ...recording.solved,
    ...finals.filter(({ Source }) => (Source?.infos ?? []).length === 0),
  ];
  return {
    ...outcome,
    internal: internal.map(definitionOf),
    resolveImageConfig: recording.resolved,
    warnings: recording.warnings.map(warningOf),
    lint: await subrequest(() => lintDockerfile(open().gateway)),
    outline: await subrequest(() => outlineDockerfile(open().gateway)),
    targets: await subrequest(() => targetsDockerfile(open().gateway)),
  };
}

function forwarded({ source, cmdline }: FrontendForward, recording: Recording): CaseResult {
  return {
    forward: { frontend: 'gateway.v0', source, cmdline },
    internal: recording.solved.map(definitionOf),
    resolveImageConfig: [],
    warnings: [],
  };
}

function resultOf({ refs, platforms }: FrontendResult): unknown {
  return {
    platforms: JSON.parse(platforms) as unknown,
    refs: refs.map((ref) => ({
      platform: ref.platformId,
      definition: ref.definition === undefined ? { ops: [] } : definitionOf(ref.definition),
      imageConfigRaw: ref.imageConfig,
      imageConfig: JSON.parse(ref.imageConfig) as unknown,
      baseImageConfigDigest: ref.baseImageConfig === undefined ? undefined : digestOf(ref.baseImageConfig),
      sourceDateEpoch: ref.sourceDateEpoch,
    })),
  };
}

function definitionOf(definition: Definition): unknown {
  const { def, metadata, Source: source } = definition;
  return {
    ops: def.map((raw) => {
      const digest = digestOf(raw);
      const own = metadata[digest];
      return {
        digest,
        raw: Buffer.from(raw).toString('base64'),
        op: toJson(OpSchema, fromBinary(OpSchema, raw)),
        metadata: own && toJson(OpMetadataSchema, own),
        locations: source?.locations[digest]?.locations.map(({ sourceIndex, ranges }) => ({
          sourceIndex,
          ranges: ranges.map(plainRange),
        })),
      };
    }),
    sources: source?.infos.map(({ filename, language }) => ({ filename, language })),
  };
}

function plainRange({ start, end }: Range): SourceRange {
  const position = (at: Range['start']): SourceRange['start'] => ({
    line: at?.line ?? 0,
    character: at?.character ?? 0,
  });
  return { start: position(start), end: position(end) };
}

function warningOf({ level, message, detail, url, ranges }: FrontendWarning): unknown {
  return { level, message, detail, url, ranges };
}

function errorOf(error: unknown): { message: string; sources: unknown[]; locationError?: unknown } {
  const attached = (error as { sources?: { filename: string; ranges: SourceRange[] }[] }).sources ?? [];
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const locations = locationsOf(error) ?? locationsOf(cause);
  return {
    message: messageOf(error),
    sources: attached.map(({ filename, ranges }) => ({ filename, ranges })),
    ...(locations === undefined ? {} : { locationError: locations.map(goRanges) }),
  };
}

/** As Go writes parser.Range; a location without ranges is nil there. */
function goRanges(ranges: readonly SourceRange[]): unknown {
  if (ranges.length === 0) return null;
  const position = ({ line, character }: SourceRange['start']): unknown => ({
    Line: line,
    Character: character,
  });
  return ranges.map(({ start, end }) => ({ Start: position(start), End: position(end) }));
}

async function subrequest(ask: () => Promise<SubrequestResult>): Promise<unknown> {
  try {
    const result = JSON.parse((await ask()).json) as Record<string, unknown>;
    delete result['sources'];
    return result;
  } catch (error) {
    return { error: errorOf(error) };
  }
}
