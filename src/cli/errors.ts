/** How an error is shown: the Dockerfile lines it is about, one message, a hint; no stack trace unless asked for. */
import { hintOf, messageOf, redact } from '../errors/error.ts';
import type { SourceRange } from '../progress/events.ts';

/** A file that an error is about, and where in it; errors of the frontend and of solved vertices carry them. */
export interface ErrorSource {
  filename: string;
  data: Uint8Array;
  ranges: SourceRange[];
}

export interface ReportOptions {
  debug: boolean;
  /** What failed, before the message: `failed to build: failed to solve: `. */
  prefix?: string;
}

/** Writes the report to stderr. */
export function reportError(error: unknown, { debug, prefix = '' }: ReportOptions): void {
  let text = '';
  for (const source of sourcesOf(error)) text += excerpt(source);
  text += `ERROR: ${prefix}${messageOf(error)}\n`;
  const hint = hintOf(error);
  if (hint !== undefined) text += `${hint}\n`;
  if (debug && error instanceof Error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      text += `${redact(cause.stack ?? cause.message)}\n`;
  }
  process.stderr.write(text);
}

/** The sources attached to an error or to what caused it. */
export function sourcesOf(error: unknown): ErrorSource[] {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const sources = (cause as { sources?: unknown }).sources;
    if (Array.isArray(sources) && sources.length > 0) return sources as ErrorSource[];
  }
  return [];
}

/** The lines around the ranges, those that are meant marked with `>>>`, as BuildKit's errdefs prints them. */
export function excerpt({ filename, data, ranges }: ErrorSource): string {
  if (ranges.length === 0) return '';
  const lines = Buffer.from(data).toString('utf8').split('\n');
  const from = Math.min(...ranges.map(({ start }) => start.line));
  const to = Math.min(
    lines.length,
    Math.max(...ranges.map(({ start, end }) => Math.max(end.line, start.line))),
  );
  if (from < 1 || from > lines.length) return '';
  const around = from === to ? 2 : 1;
  const first = Math.max(1, from - around);
  const last = Math.min(lines.length, to + around);
  let text = `${filename}:${from}\n--------------------\n`;
  for (let number = first; number <= last; number++) {
    const meant = ranges.some(
      ({ start, end }) => number >= start.line && number <= Math.max(start.line, end.line),
    );
    text += ` ${String(number).padStart(3)} | ${meant ? '>>>' : '   '} ${lines[number - 1] ?? ''}\n`;
  }
  return `${text}--------------------\n`;
}
