/** The lines of a file that a message is about, with some around them. */
import type { SourceRange } from '../../../progress/events.ts';

/** Lines of context: more around a single line. */
const CONTEXT = { one: 4, several: 2 };
const RULE = '--------------------\n';

/** As BuildKit prints a source (solver/errdefs, source.go); empty when the ranges are outside the file. */
export function excerpt(filename: string, data: Uint8Array, ranges: readonly SourceRange[]): string {
  const lines = Buffer.from(data).toString('utf8').split('\n');
  if (ranges.length === 0) return '';
  const lastLine = ({ start, end }: SourceRange): number => Math.max(start.line, end.line);
  const first = Math.min(...ranges.map(({ start }) => start.line));
  if (first < 1 || first > lines.length) return '';
  let start = first;
  let end = Math.min(Math.max(...ranges.map(lastLine)), lines.length);
  const context = start === end ? CONTEXT.one : CONTEXT.several;
  for (let padded = 0; padded < context; padded++) {
    if (start > 1) {
      start--;
      padded++;
    }
    if (end !== lines.length) {
      end++;
      padded++;
    }
  }
  let out = `${filename}:${first}\n${RULE}`;
  for (let line = start; line <= end; line++) {
    const marked = ranges.some((range) => range.start.line <= line && lastLine(range) >= line);
    out += ` ${String(line).padStart(3)} | ${marked ? '>>>' : '   '} ${lines[line - 1] ?? ''}\n`;
  }
  return out + RULE;
}
