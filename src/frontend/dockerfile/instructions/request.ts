/** What the parsers of all instructions share. */
import type { SourceRange } from '../../../progress/events.ts';
import type { InstructionNode } from '../parser/contract.ts';
import { DockerfileError, lineRanges } from '../parser/error.ts';
import { trimSpace } from '../text/space.ts';
import type { CommandBase } from './types.ts';

/** The lines of an instruction. */
export function locationOf(node: InstructionNode): SourceRange[] {
  return lineRanges(node.startLine, node.endLine);
}

/** The fields that every command has. */
export function commandBase(node: InstructionNode): CommandBase {
  return {
    name: node.keyword,
    code: trimSpace(node.original),
    location: locationOf(node),
    comments: node.comments,
  };
}

/** The description in a comment line `<name> <description>`; empty when there is none. */
export function docComment(comments: readonly string[], name: string): string {
  if (name === '') return '';
  return comments.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? '';
}

/**
 * The arguments of an instruction that needs some.
 * @throws DockerfileError
 */
export function atLeastOne(node: InstructionNode, keyword: string): string[] {
  if (node.args.length === 0) {
    throw new DockerfileError(`${keyword} requires at least one argument`);
  }
  return node.args;
}

/**
 * The argument of an instruction that takes one.
 * @throws DockerfileError
 */
export function exactlyOne(node: InstructionNode, keyword: string): string {
  const [argument, ...more] = node.args;
  if (argument === undefined || more.length > 0) {
    throw new DockerfileError(`${keyword} requires exactly one argument`);
  }
  return argument;
}

/** The arguments of the exec form; those of the shell form as one string. */
export function execOrShell(args: string[], json: boolean): string[] {
  return args.length === 0 || json ? args : [args.join(' ')];
}
