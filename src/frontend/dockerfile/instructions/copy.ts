/** ADD and COPY. */
import type { InstructionNode } from '../parser/contract.ts';
import { DockerfileError } from '../parser/error.ts';
import { asHeredoc, chompHeredoc } from '../parser/heredoc.ts';
import { FlagSet } from './flag_set.ts';
import { commandBase } from './request.ts';
import type { AddCommand, CopyCommand, CopySources, HeredocSource } from './types.ts';

const ADD_FLAGS = {
  chown: 'string',
  chmod: 'string',
  link: 'bool',
  'keep-git-dir': 'bool',
  checksum: 'string',
  unpack: 'bool',
  exclude: 'list',
} as const;

const COPY_FLAGS = {
  chown: 'string',
  from: 'string',
  chmod: 'string',
  link: 'bool',
  exclude: 'list',
  parents: 'bool',
} as const;

/** @throws DockerfileError */
export function parseAdd(node: InstructionNode): AddCommand {
  requireDestination(node, 'ADD');
  const flags = new FlagSet(node.flags, ADD_FLAGS);
  return {
    kind: 'add',
    ...commandBase(node),
    ...copySources(node, 'ADD'),
    chown: flags.string('chown'),
    chmod: flags.string('chmod'),
    link: flags.bool('link') ?? false,
    keepGitDir: flags.bool('keep-git-dir'),
    checksum: flags.string('checksum'),
    excludePatterns: flags.list('exclude'),
    unpack: flags.bool('unpack'),
  };
}

/** @throws DockerfileError */
export function parseCopy(node: InstructionNode): CopyCommand {
  requireDestination(node, 'COPY');
  const flags = new FlagSet(node.flags, COPY_FLAGS);
  return {
    kind: 'copy',
    ...commandBase(node),
    ...copySources(node, 'COPY'),
    from: flags.string('from'),
    chown: flags.string('chown'),
    chmod: flags.string('chmod'),
    link: flags.bool('link') ?? false,
    parents: flags.bool('parents') ?? false,
    excludePatterns: flags.list('exclude'),
  };
}

function requireDestination(node: InstructionNode, keyword: string): void {
  if (node.args.length >= 2) return;
  throw new DockerfileError(
    `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
  );
}

function copySources(node: InstructionNode, keyword: string): CopySources {
  const destPath = node.args.at(-1) ?? '';
  if (asHeredoc(destPath) !== undefined) {
    throw new DockerfileError(`${keyword} cannot accept a heredoc as a destination`);
  }
  // Of several heredocs with one delimiter, the last one's content stands for all.
  const contents = new Map(node.heredocs.map(({ name, content }) => [name, content]));
  const sourcePaths: string[] = [];
  const sourceContents: HeredocSource[] = [];
  for (const source of node.args.slice(0, -1)) {
    const heredoc = asHeredoc(source);
    if (heredoc === undefined) {
      sourcePaths.push(source);
      continue;
    }
    const { name: path, expand, chomp } = heredoc;
    const content = contents.get(path) ?? '';
    sourceContents.push({ path, data: chomp ? chompHeredoc(content) : content, expand });
  }
  return { sourcePaths, sourceContents, destPath };
}
