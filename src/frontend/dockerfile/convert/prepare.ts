/** The beginning of a conversion: the text parsed, lint rules for all of it run, arguments in effect. */
import { State } from '../../../llb/builder/state.ts';
import { LazyOutput } from '../../../llb/builder/vertex.ts';
import { parseStages } from '../instructions/parse.ts';
import type { Stage } from '../instructions/types.ts';
import { parseLintConfig } from '../lint/config.ts';
import type { LintConfig } from '../lint/contract.ts';
import { Linter } from '../lint/linter.ts';
import { noEmptyContinuation } from '../lint/rules.ts';
import { parseDirective } from '../parser/directives.ts';
import { DockerfileError, wrapError } from '../parser/error.ts';
import { parseDockerfile } from '../parser/parser.ts';
import { Lex } from '../shell/lex.ts';
import type { Conversion, Inputs } from './conversion.ts';
import type { ConvertRequest, SetContextFiles } from './convert.ts';
import { resolveEpoch } from './epoch.ts';
import { globalArgs, predefinedArgs, proxyEnv } from './global_args.ts';
import { lintDefaultBases, lintKeywordCasing, lintStageNames } from './lint_stages.ts';
import { OutlineCapture } from './outline_capture.ts';
import { Stages } from './stage.ts';

export interface Prepared {
  conversion: Conversion;
  /** The arguments above the first FROM. */
  outline: OutlineCapture;
  stages: readonly Stage[];
  setContextFiles: SetContextFiles;
}

/** @throws DockerfileError */
export async function prepare(inputs: Inputs, request: ConvertRequest): Promise<Prepared> {
  const { options, sourceMap } = inputs;
  const { data } = sourceMap;
  if (data.length === 0) throw new DockerfileError('the Dockerfile cannot be empty');
  const lint = new Linter(options.lintConfig ?? ownLintConfig(data), request.warn);
  const dockerfile = parseDockerfile(data);
  for (const { location } of dockerfile.warnings) lint.run(noEmptyContinuation, [location]);
  const { stages, metaArgs } = parseStages(dockerfile.instructions, lint);
  const last = stages.at(-1);
  if (last === undefined) throw new DockerfileError('dockerfile contains no stages to build');
  lintStageNames(stages, lint);
  lintKeywordCasing(stages, lint);
  const targetPlatform = request.targetPlatform ?? options.buildPlatform;
  const lex = new Lex(dockerfile.escapeToken);
  const predefined = predefinedArgs(
    options.buildPlatform,
    targetPlatform,
    options.buildArgs,
    options.target === '' ? last.name : options.target,
  );
  lintDefaultBases(stages, predefined, metaArgs, lex, lint);
  const { env, infos } = globalArgs(predefined, lex, metaArgs, options.buildArgs);
  const outline = new OutlineCapture();
  for (const [key, info] of infos) outline.args.set(key, info);
  const epoch = await resolveEpoch(inputs, { stages, globalArgs: env, lex });
  let contextFiles: State | undefined;
  const conversion: Conversion = {
    ...inputs,
    buildArgs: epoch.buildArgs,
    globalArgs: epoch.globalArgs,
    targetPlatform,
    implicitTarget: request.targetPlatform === undefined,
    epoch: epoch.seconds,
    escapeToken: dockerfile.escapeToken,
    lex,
    lint,
    stages: new Stages(),
    proxyEnv: proxyEnv(epoch.buildArgs),
    buildContext: State.from(
      new LazyOutput(() => {
        const output = contextFiles?.output;
        if (output === undefined)
          throw new DockerfileError('the build context is empty and has no files to copy');
        return output;
      }),
    ),
    ignoreMatcher: undefined,
    allStages: request.allStages ?? false,
  };
  const setContextFiles = (files: State): void => {
    contextFiles = files;
  };
  return { conversion, outline, stages, setContextFiles };
}

/** From the Dockerfile's `check` directive. */
function ownLintConfig(data: Uint8Array): LintConfig {
  try {
    return parseLintConfig(parseDirective('check', data)?.value ?? '');
  } catch (error) {
    throw wrapError(error, 'failed to parse check options');
  }
}
