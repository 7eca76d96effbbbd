/** What the parts of one conversion share: options, arguments, stages and the doors to everything outside. */
import type { EnvList } from '../../../llb/builder/env.ts';
import type { PlainRange, SourceLocation, SourceMap } from '../../../llb/builder/source_map.ts';
import type { State } from '../../../llb/builder/state.ts';
import type { Platform, ProxyEnv } from '../../../llb/gen/ops_pb.js';
import type { PatternMatcher } from '../../../snapshots/patterns/pattern_matcher.ts';
import type { BuildContext } from '../context/build_context.ts';
import type { ImageResolver } from '../context/image_resolver.ts';
import type { NamedContexts } from '../context/named_context.ts';
import type { Gateway } from '../contract.ts';
import type { Linter } from '../lint/linter.ts';
import type { FrontendOptions } from '../options/options.ts';
import type { EscapeToken } from '../parser/contract.ts';
import type { Lex } from '../shell/lex.ts';
import type { Stages } from './stage.ts';

/** What a whole build has in common: one of it serves the conversions for all platforms. */
export interface Inputs {
  gateway: Gateway;
  options: FrontendOptions;
  sourceMap: SourceMap;
  context: BuildContext;
  namedContexts: NamedContexts;
  images: ImageResolver;
}

/** One conversion, for one target platform. */
export interface Conversion extends Inputs {
  /** Values of build arguments; SOURCE_DATE_EPOCH resolved to seconds. */
  buildArgs: ReadonlyMap<string, string>;
  /** ARGs before the first FROM, and the predefined ones. */
  globalArgs: EnvList;
  targetPlatform: Platform;
  /** No platform was asked for: the target platform is the build platform. */
  implicitTarget: boolean;
  /** Seconds since the epoch. */
  epoch: bigint | undefined;
  escapeToken: EscapeToken;
  lex: Lex;
  lint: Linter;
  stages: Stages;
  proxyEnv: ProxyEnv | undefined;
  /** The files of the main build context, decided when all stages are converted. */
  buildContext: State;
  /** Undefined: nothing is ignored. */
  ignoreMatcher: PatternMatcher | undefined;
  /** Convert stages too that the target does not need. */
  allStages: boolean;
}

/** The place of an instruction, for an op's source map. */
export function locationIn(map: SourceMap, ranges: readonly PlainRange[]): SourceLocation[] {
  return [{ map, ranges }];
}
