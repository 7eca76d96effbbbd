/** What `--call` prints and the exit code that goes with it, as buildx does. */
import { CairnError } from '../../errors/error.ts';
import type { BuildResult } from '../../engine/contract.ts';
import type { SourceRange } from '../../progress/events.ts';
import type { ErrorSource } from '../errors.ts';
import type { Call } from './call.ts';

interface LintResult {
  warnings?: unknown[] | null;
  sources?: LintSource[] | null;
  buildError?: { message: string; location?: { sourceIndex?: number; ranges?: SourceRange[] } };
}

interface LintSource {
  filename: string;
  /** Base64. */
  data: string;
}

/** @returns the exit code: 1 for a check that found something, unless its status is to be ignored */
export function printCall(call: Call, { subrequest }: BuildResult, dockerfileName: string): number {
  if (subrequest === undefined) throw new Error('the builder gave no result for --call');
  if (call.format === 'json') {
    process.stdout.write(`${subrequest.json}\n`);
  } else if (call.name === 'lint') {
    printLint(subrequest, dockerfileName);
  } else {
    process.stdout.write(subrequest.text);
  }
  if (call.name !== 'lint' || call.ignoreStatus) return 0;
  const { warnings, buildError } = JSON.parse(subrequest.json) as LintResult;
  return (warnings ?? []).length > 0 || buildError !== undefined ? 1 : 0;
}

function printLint(subrequest: { json: string; text: string }, dockerfileName: string): void {
  const { warnings, buildError, sources } = JSON.parse(subrequest.json) as LintResult;
  const count = (warnings ?? []).length;
  if (count > 0) {
    const found = count === 1 ? '1 warning has been found!' : `${count} warnings have been found!`;
    process.stdout.write(`Check complete, ${found}\n`);
  } else if (buildError === undefined) {
    process.stdout.write('Check complete, no warnings found.\n');
    return;
  }
  // The frontend knows the file by its base name only; people look for the path that they gave.
  const text =
    dockerfileName === ''
      ? subrequest.text
      : subrequest.text.replaceAll(/^Dockerfile:(\d+)$/gm, `${dockerfileName}:$1`);
  process.stdout.write(text);
  if (buildError === undefined) return;
  const error = new CairnError(buildError.message, { code: 'DOCKERFILE' });
  const source = sources?.[buildError.location?.sourceIndex ?? 0];
  const ranges = buildError.location?.ranges;
  throw source === undefined || ranges === undefined
    ? error
    : Object.assign(error, { sources: [errorSource(source, ranges)] });
}

function errorSource({ filename, data }: LintSource, ranges: SourceRange[]): ErrorSource {
  return { filename, data: Buffer.from(data, 'base64'), ranges };
}
