/**
 * SOURCE_DATE_EPOCH: seconds, `context`, or the name of a context or stage whose time counts (BuildKit v0.32.2,
 * dockerfile2llb/epoch.go).
 */
import { goQuote } from '../../../errors/go_quote.ts';
import type { EnvList } from '../../../llb/builder/env.ts';
import { marshalDefinition } from '../../../llb/builder/definition.ts';
import { httpSource } from '../../../llb/builder/source.ts';
import type { State } from '../../../llb/builder/state.ts';
import { loadDefinition } from '../../../llb/definition.ts';
import type { SourceOp } from '../../../llb/gen/ops_pb.js';
import { parseDigest } from '../../../llb/reference.ts';
import { CairnError } from '../../../errors/error.ts';
import { gitState, parseGitRef } from '../context/git_ref.ts';
import type { AddCommand, Arg, Stage } from '../instructions/types.ts';
import { parseInt64 } from '../options/int.ts';
import { DockerfileError, withLocation, wrapError } from '../parser/error.ts';
import type { Lex } from '../shell/lex.ts';
import type { Inputs } from './conversion.ts';
import { newestFileTime } from './archive_time.ts';
import { httpFilename, isHttpSource } from './copy_sources.ts';

const NAME = 'SOURCE_DATE_EPOCH';

export interface Epoch {
  /** Undefined: none asked for, or the source has no time. */
  seconds: bigint | undefined;
  /** The arguments with the value replaced by the seconds. */
  buildArgs: ReadonlyMap<string, string>;
  globalArgs: EnvList;
}

interface Scope {
  stages: readonly Stage[];
  globalArgs: EnvList;
  lex: Lex;
}

/** @throws DockerfileError for a value that means nothing */
export async function resolveEpoch(inputs: Inputs, scope: Scope): Promise<Epoch> {
  const { buildArgs } = inputs.options;
  const { globalArgs } = scope;
  const global = globalArgs.get(NAME) ?? '';
  const value = buildArgs.get(NAME) ?? global;
  if (!buildArgs.has(NAME) && value === '') return { seconds: undefined, buildArgs, globalArgs };
  const seconds = value === '' ? undefined : await resolveValue(inputs, scope, value);
  const text = seconds?.toString();
  const ownArgs = new Map(buildArgs);
  if (buildArgs.has(NAME)) {
    if (text === undefined) ownArgs.delete(NAME);
    else ownArgs.set(NAME, text);
  }
  if (globalArgs.get(NAME) === undefined) return { seconds, buildArgs: ownArgs, globalArgs };
  const ownGlobals = text === undefined ? globalArgs.delete(NAME) : globalArgs.set(NAME, text);
  return { seconds, buildArgs: ownArgs, globalArgs: ownGlobals };
}

async function resolveValue(inputs: Inputs, scope: Scope, value: string): Promise<bigint | undefined> {
  const number = asNumber(value);
  if (number !== undefined) return number;
  const found = await sourceFor(inputs, scope, value);
  return timeOf(inputs, found.state, found.logName);
}

function asNumber(value: string): bigint | undefined {
  try {
    return parseInt64(value);
  } catch {
    return undefined;
  }
}

async function sourceFor(
  inputs: Inputs,
  scope: Scope,
  value: string,
): Promise<{ state: State; logName: string }> {
  if (value === 'context') {
    const logName = '[internal] resolve main build context metadata';
    return { state: await inputs.context.mainContext(), logName };
  }
  const context = inputs.namedContexts.find(value, { resolveMode: '' });
  if (context !== undefined) {
    const { state } = await context.load();
    return { state, logName: `[internal] resolve ${NAME} named context ${value}` };
  }
  const stage = scope.stages.find(({ name }) => name !== '' && name.toLowerCase() === value.toLowerCase());
  if (stage === undefined) throw new DockerfileError(`invalid ${NAME}: ${value}`);
  try {
    const state = stageSource(stage, inputs.options.buildArgs, scope);
    return { state, logName: `[internal] resolve ${NAME} source stage ${stage.name}` };
  } catch (error) {
    throw withLocation(error, stage.location);
  }
}

/** The one remote ADD of a stage upon scratch that has nothing else. */
function stageSource(
  stage: Stage,
  buildArgs: ReadonlyMap<string, string>,
  { globalArgs, lex }: Scope,
): State {
  let env = globalArgs.delete(NAME);
  let base: string;
  try {
    base = lex.processWord(stage.baseName, env).result;
  } catch (error) {
    throw wrapError(error, `failed to process source stage base name ${goQuote(stage.baseName)}`);
  }
  if (base !== 'scratch') throw new DockerfileError(`${NAME} stage must use FROM scratch`);
  const oneAdd = `${NAME} stage must contain exactly one remote ADD`;
  let state: State | undefined;
  for (const command of stage.commands) {
    if (command.kind === 'arg')
      env = command.args.reduce((known, arg) => declare(known, arg, buildArgs, lex), env);
    else if (command.kind === 'add') {
      if (state !== undefined) throw new DockerfileError(oneAdd);
      state = addSource(command, env, lex);
    } else {
      throw new DockerfileError(
        `${NAME} stage does not meet source-only requirements: unsupported ${command.name} instruction`,
      );
    }
  }
  if (state === undefined) throw new DockerfileError(oneAdd);
  return state;
}

function declare(
  env: EnvList,
  { key, value }: Arg,
  buildArgs: ReadonlyMap<string, string>,
  lex: Lex,
): EnvList {
  const given = buildArgs.get(key) ?? (value === undefined ? undefined : lex.processWord(value, env).result);
  return given === undefined ? env : env.set(key, given);
}

function addSource(command: AddCommand, env: EnvList, lex: Lex): State {
  const [written = '', ...more] = command.sourcePaths;
  if (command.sourceContents.length > 0 || more.length > 0) {
    throw new DockerfileError(`${NAME} stage must contain exactly one remote ADD source`);
  }
  const source = lex.processWord(written, env).result;
  const checksum = command.checksum === '' ? '' : lex.processWord(command.checksum, env).result;
  if (isHttpSource(source)) {
    return httpSource(source, {
      filename: httpFilename(source),
      checksum: checksum === '' ? '' : parseDigest(checksum),
    });
  }
  const git = parseGitRef(source);
  if (git === undefined || git.looksLocal) {
    throw new DockerfileError(`${NAME} stage source must be a single HTTP(S) or Git ADD`);
  }
  return gitState(
    { ...git, checksum: checksum === '' ? git.checksum : checksum, mtime: '', fetchByCommit: false },
    { keepGitDir: command.keepGitDir === true },
  );
}

/**
 * The commit's time, that of the last modification, or that of the newest file in an archive whose server says nothing;
 * undefined: the source has none.
 */
async function timeOf({ gateway }: Inputs, state: State, logName: string): Promise<bigint | undefined> {
  const source = sourceOpOf(state, gateway.localUnique);
  if (source === undefined) return undefined;
  const { identifier, attrs } = source;
  if (!/^(?:git|https?):\/\//.test(identifier)) return undefined;
  if (gateway.resolveSourceMetadata === undefined) {
    throw new CairnError(`${NAME} cannot be taken from ${identifier} here`, {
      code: 'UNSUPPORTED',
      hint: `Give ${NAME} as seconds since 1970.`,
    });
  }
  const { commitTime, lastModified } = await gateway.resolveSourceMetadata({ identifier, attrs }, logName);
  const told = commitTime ?? lastModified;
  const filename = attrs['http.filename'] ?? '';
  if (told !== undefined || !/^https?:/.test(identifier) || filename === '') return told;
  const download = httpSource(identifier, { filename, checksum: attrs['http.checksum'] ?? '' });
  const ref = await gateway.solve(
    marshalDefinition(download.output, { localUnique: gateway.localUnique, setsDefaultPath: true }),
  );
  return newestFileTime(await ref.readFile(filename));
}

/** The only source op behind a state; undefined when there are none or several. */
function sourceOpOf(state: State, localUnique: string): SourceOp | undefined {
  const edge = loadDefinition(marshalDefinition(state.output, { localUnique, setsDefaultPath: true }));
  const found = new Set<SourceOp>();
  const visit = (vertex: NonNullable<typeof edge>['vertex']): void => {
    if (vertex.op.op.case === 'source') found.add(vertex.op.op.value);
    for (const input of vertex.inputs) visit(input.vertex);
  };
  if (edge !== undefined) visit(edge.vertex);
  const [only, ...more] = found;
  return more.length > 0 ? undefined : only;
}
