/** From parsed instructions to typed commands and stages (rules of BuildKit v0.32.2, package instructions). */
import type { Linter } from '../lint/linter.ts';
import * as rules from '../lint/rules.ts';
import type { InstructionNode } from '../parser/contract.ts';
import { DockerfileError, withLocation, wrapError } from '../parser/error.ts';
import { isKeyword, KEYWORDS } from '../parser/keywords.ts';
import type { Keyword } from '../parser/keywords.ts';
import { goLower, goUpper } from '../text/case.ts';
import { suggestError } from '../text/suggest.ts';
import { parseAdd, parseCopy } from './copy.ts';
import { parseFrom } from './from.ts';
import { parseHealthcheck } from './healthcheck.ts';
import { locationOf } from './request.ts';
import { parseCmd, parseEntrypoint, parseRun, parseShell } from './run.ts';
import {
  parseArg,
  parseEnv,
  parseExpose,
  parseLabel,
  parseMaintainer,
  parseOnbuild,
  parseStopSignal,
  parseUser,
  parseVolume,
  parseWorkdir,
} from './settings.ts';
import type { ArgCommand, Command, ParsedStages, Stage } from './types.ts';

const PARSERS: Readonly<Record<Keyword, (node: InstructionNode) => Command | Stage>> = {
  add: parseAdd,
  arg: parseArg,
  cmd: parseCmd,
  copy: parseCopy,
  entrypoint: parseEntrypoint,
  env: parseEnv,
  expose: parseExpose,
  from: parseFrom,
  healthcheck: parseHealthcheck,
  label: parseLabel,
  maintainer: parseMaintainer,
  onbuild: parseOnbuild,
  run: parseRun,
  shell: parseShell,
  stopsignal: parseStopSignal,
  user: parseUser,
  volume: parseVolume,
  workdir: parseWorkdir,
};

/**
 * Groups the instructions of a Dockerfile into stages.
 * @throws DockerfileError `dockerfile parse error on line N: …` with the lines of the instruction
 */
export function parseStages(instructions: readonly InstructionNode[], linter?: Linter): ParsedStages {
  const stages: Stage[] = [];
  const metaArgs: ArgCommand[] = [];
  for (const node of instructions) {
    const parsed = parseNumbered(node, linter);
    const stage = stages.at(-1);
    if (parsed.kind === 'stage') stages.push(parsed);
    else if (stage !== undefined) stage.commands.push(parsed);
    else if (parsed.kind === 'arg') metaArgs.push(parsed);
    else {
      throw withLocation(new DockerfileError('no build stage in current context'), locationOf(node));
    }
  }
  return { stages, metaArgs };
}

function parseNumbered(node: InstructionNode, linter?: Linter): Command | Stage {
  try {
    return parseInstruction(node, linter);
  } catch (error) {
    throw wrapError(error, `dockerfile parse error on line ${node.startLine}`);
  }
}

/**
 * One instruction as a command, for the triggers of ONBUILD.
 * @throws DockerfileError with the lines of `node`, also for a FROM
 */
export function parseCommand(node: InstructionNode): Command {
  const parsed = parseInstruction(node);
  if (parsed.kind !== 'stage') return parsed;
  throw withLocation(new DockerfileError('*instructions.Stage is not a command type'), locationOf(node));
}

/**
 * One instruction, checked by those lint rules that need no more than it.
 * @throws DockerfileError with the lines of `node`
 */
export function parseInstruction(node: InstructionNode, linter?: Linter): Command | Stage {
  try {
    return lintedInstruction(node, linter?.forComments(node.comments));
  } catch (error) {
    throw withLocation(error, locationOf(node));
  }
}

function lintedInstruction(node: InstructionNode, linter?: Linter): Command | Stage {
  const keyword = goLower(node.keyword);
  if (!isKeyword(keyword)) {
    const upper = KEYWORDS.map((word) => word.toUpperCase());
    throw suggestError(`unknown instruction: ${node.keyword}`, node.keyword, upper, {
      ignoreCase: true,
    });
  }
  if (linter === undefined) return PARSERS[keyword](node);
  if (keyword === 'maintainer') linter.run(rules.maintainerDeprecated, locationOf(node));
  if (keyword === 'from') lintFromCasing(node, linter);
  const parsed = PARSERS[keyword](node);
  if (parsed.kind === 'arg') {
    const names = parsed.args.map((arg) => arg.key);
    lintDescription('ARG', names, node, linter);
  } else if (parsed.kind === 'stage' && parsed.name !== '') {
    lintDescription('FROM', [parsed.name], node, linter);
  }
  return parsed;
}

function lintFromCasing(node: InstructionNode, linter: Linter): void {
  const [, as, name] = node.args;
  if (as === undefined || name === undefined) return;
  if (node.args.length === 3 && name !== goLower(name)) {
    linter.run(rules.stageNameCasing, locationOf(node), name);
  }
  // A keyword in mixed case is reported by another rule.
  const { keyword } = node;
  const expected =
    keyword === goLower(keyword) ? goLower(as) : keyword === goUpper(keyword) ? goUpper(as) : as;
  if (as !== expected) linter.run(rules.fromAsCasing, locationOf(node), keyword, as);
}

/** The last comment line above a definition should start with what is defined. */
function lintDescription(
  keyword: 'ARG' | 'FROM',
  names: string[],
  node: InstructionNode,
  linter: Linter,
): void {
  const [first] = names;
  const described = node.comments.at(-1)?.split(' ')[0];
  if (first === undefined || described === undefined || names.includes(described)) return;
  const name = names.length > 1 ? '<arg_key>' : first;
  linter.run(rules.invalidDefinitionDescription, locationOf(node), keyword, name);
}
