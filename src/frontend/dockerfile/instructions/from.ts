/** FROM. */
import type { InstructionNode } from '../parser/contract.ts';
import { DockerfileError } from '../parser/error.ts';
import { goLower } from '../text/case.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { trimSpace } from '../text/space.ts';
import { FlagSet } from './flag_set.ts';
import { docComment, locationOf } from './request.ts';
import type { Stage } from './types.ts';

const STAGE_NAME = /^[a-z][a-z0-9\-_.]*$/;
/** Compared without case as Unicode folds it. */
const AS = /^as$/iu;

/** @throws DockerfileError */
export function parseFrom(node: InstructionNode): Stage {
  const name = stageName(node.args);
  const flags = new FlagSet(node.flags, { platform: 'string' } as const);
  return {
    kind: 'stage',
    name,
    commands: [],
    keyword: node.keyword,
    baseName: node.args[0] ?? '',
    platform: flags.string('platform'),
    docComment: docComment(node.comments, name),
    code: trimSpace(node.original),
    location: locationOf(node),
    comments: node.comments,
  };
}

function stageName(args: string[]): string {
  const [, as, name] = args;
  if (args.length === 1) return '';
  if (args.length !== 3 || as === undefined || name === undefined || !AS.test(as)) {
    throw new DockerfileError('FROM requires either one or three arguments');
  }
  const lower = goLower(name);
  if (!STAGE_NAME.test(lower)) {
    throw new DockerfileError(
      `invalid name for build stage: ${goQuote(name)}, name can't start with a number or contain symbols`,
    );
  }
  return lower;
}
