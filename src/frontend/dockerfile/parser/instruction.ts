/** One logical line as an instruction. */
import { goLower } from '../text/case.ts';
import { trimSpace } from '../text/space.ts';
import { ARGUMENT_PARSERS, splitOnce } from './arguments.ts';
import type { EscapeToken, InstructionNode } from './contract.ts';
import { extractFlags } from './flags.ts';
import { isKeyword } from './keywords.ts';

/** ONBUILD in ONBUILD is an error of a later stage; deeper ones need not be looked into. */
const MAX_ONBUILD_NESTING = 64;

/** Instructions whose arguments may start heredocs, also after ONBUILD. */
const HEREDOC_KEYWORDS = new Set(['add', 'copy', 'run']);

/**
 * Splits a logical line into keyword, flags and arguments. An unknown keyword is kept, its arguments are not.
 * Lines and comments of the node are left for the caller.
 * @throws DockerfileError without a location
 */
export function parseInstructionLine(line: string, escape: EscapeToken, nesting = 0): InstructionNode {
  const [keyword, afterKeyword] = splitOnce(trimSpace(line));
  const { flags, rest } = extractFlags(afterKeyword ?? '', escape);
  const text = trimSpace(rest);
  const node: InstructionNode = {
    keyword,
    original: line,
    flags,
    args: [],
    json: false,
    heredocs: [],
    startLine: 0,
    endLine: 0,
    comments: [],
  };
  const name = goLower(keyword);
  if (!isKeyword(name)) return node;
  if (name !== 'onbuild') return { ...node, ...ARGUMENT_PARSERS[name](text, escape) };
  if (text === '' || nesting >= MAX_ONBUILD_NESTING) return node;
  const child = parseInstructionLine(text, escape, nesting + 1);
  return { ...node, child, args: [child.keyword, ...child.args] };
}

/** Whether `<<NAME` in this instruction starts a heredoc. */
export function canHaveHeredocs(node: InstructionNode): boolean {
  const inner = goLower(node.keyword) === 'onbuild' && node.child !== undefined ? node.child : node;
  return HEREDOC_KEYWORDS.has(goLower(inner.keyword)) && !inner.json;
}
