/** Which stages a stage needs: COPY --from, RUN --mount=from and ONBUILD triggers. */
import { setLocation, DockerfileError, withLocation } from '../parser/error.ts';
import { parseDockerfile } from '../parser/parser.ts';
import { parseCommand } from '../instructions/parse.ts';
import type { Command } from '../instructions/types.ts';
import { EMPTY_ENV, type Lex } from '../shell/lex.ts';
import { SCRATCH } from './from.ts';
import { StageState, type StageCommand, type Stages } from './stage.ts';

/**
 * Connects every stage with those that its commands read from. Images that are no stage become stages without
 * commands.
 * @throws DockerfileError for a --from that names nothing, and for stages that need each other
 */
export function linkStages(stages: Stages, lex: Lex): void {
  for (const stage of stages.all.slice()) {
    stage.commands = stage.stage.commands.map((command) => {
      const linked = linkCommand(command, stages, lex, false);
      addDeps(stage, linked, stages);
      return linked;
    });
  }
  refuseCycles(stages.all);
  const [only] = stages.all;
  if (only !== undefined && stages.all.length === 1) only.shownName = '';
}

/**
 * Puts the commands of ONBUILD triggers before those of `stage`.
 * @returns whether they may need stages that were not needed before
 * @throws DockerfileError with the FROM's location, since the triggers are not in this Dockerfile
 */
export function addTriggers(
  stage: StageState,
  triggers: readonly string[],
  stages: Stages,
  lex: Lex,
): boolean {
  const { location } = stage.stage;
  try {
    const commands = triggers.map((trigger) => {
      const [node, ...rest] = parseDockerfile(trigger).instructions;
      if (node === undefined || rest.length > 0) {
        throw new DockerfileError('onbuild trigger should be a single expression');
      }
      const lines = location.flatMap(({ start, end }) => [start.line, end.line]);
      const startLine = lines.length === 0 ? 0 : Math.min(...lines);
      const endLine = Math.max(0, ...lines);
      const command = parseCommand({ ...node, startLine, endLine });
      const linked = linkCommand(command, stages, lex, true);
      addDeps(stage, linked, stages);
      return linked;
    });
    stage.commands = [...commands, ...stage.commands];
    stage.stepTotal += commands.length;
    return commands.some(({ sources }) => sources.length > 0);
  } catch (error) {
    throw setLocation(error, location);
  }
}

function addDeps(stage: StageState, { command, sources }: StageCommand, stages: Stages): void {
  for (const source of sources) {
    stage.deps.set(source, command);
    if (source.unregistered && !stages.all.includes(source)) stages.add(source);
  }
}

function linkCommand(command: Command, stages: Stages, lex: Lex, isOnBuild: boolean): StageCommand {
  return { command, isOnBuild, sources: sourcesOf(command, stages, lex) };
}

function sourcesOf(command: Command, stages: Stages, lex: Lex): StageState[] {
  if (command.kind === 'copy' && command.from !== '') {
    const { from, location } = command;
    const expanded = lex.processWord(from, EMPTY_ENV).result;
    if (expanded !== from) {
      throw new DockerfileError(
        'variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround',
      );
    }
    if (isIndex(from)) return [stages.byIndex(Number(from))];
    return [stages.byName(from) ?? StageState.image(from, location)];
  }
  if (command.kind === 'run') {
    // A mount without a source in another stage counts as one of scratch, whatever its type turns out to be.
    return command.mounts.map(({ from }) => {
      const name = from === '' ? SCRATCH : from;
      return stages.byName(name) ?? StageState.image(name, undefined);
    });
  }
  return [];
}

/** What Go's strconv.Atoi accepts. */
function isIndex(text: string): boolean {
  return (
    /^[+-]?\d+$/.test(text) &&
    BigInt.asIntN(64, BigInt(text.replace('+', ''))) === BigInt(text.replace('+', ''))
  );
}

function refuseCycles(stages: readonly StageState[]): void {
  const visited = new Set<StageState>();
  const path = new Set<StageState>();
  const visit = (stage: StageState, commands: readonly Command[]): readonly Command[] | undefined => {
    if (visited.has(stage)) return undefined;
    visited.add(stage);
    path.add(stage);
    for (const [dep, command] of stage.deps) {
      const next = [...commands, command];
      const cycle = path.has(dep) ? next : visit(dep, next);
      if (cycle !== undefined) return cycle;
    }
    path.delete(stage);
    return undefined;
  };
  for (const stage of stages) {
    const cycle = visit(stage, []);
    if (cycle === undefined) continue;
    const error = new DockerfileError(`circular dependency detected on stage: ${stage.shownName}`);
    throw cycle.reduce((thrown: unknown, { location }) => withLocation(thrown, location), error);
  }
}
