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

/**
 * @returns the exit code: 1 for a check that found something, unless its status is to be ignored
 * @throws CairnError DOCKERFILE when a check met an error, in either format and whatever is to be ignored
 */
export function printCall(call: Call, { subrequest }: BuildResult, dockerfileName: string): number {
  if (subrequest === undefined) throw new Error('the builder gave no result for --call');
  const { json, text } = subrequest;
  if (call.format === 'json') process.stdout.write(`${json}\n`);
  else if (call.name !== 'lint') process.stdout.write(text);
  if (call.name !== 'lint') return 0;
  const found = JSON.parse(json) as LintResult;
  if (call.format !== 'json') printLint(found, text, dockerfileName);
  if (found.buildError !== undefined) throw buildError(found.buildError, found.sources);
  return (found.warnings ?? []).length > 0 && !call.ignoreStatus ? 1 : 0;
}

/** What the metadata file has of a call, by BuildKit's keys. */
export function callMetadata({ name }: Call, { subrequest }: BuildResult): Record<string, unknown> {
  if (subrequest === undefined) return {};
  const { json, text } = subrequest;
  const answer = JSON.parse(json) as LintResult;
  const failed = (answer.warnings ?? []).length > 0 || answer.buildError !== undefined;
  return {
    'result.json': answer,
    ...(name === 'lint' ? { 'result.statuscode': failed ? '1' : '0' } : {}),
    'result.txt': text,
    version: '1.0.0',
  };
}

function printLint(
  { warnings, buildError: failure }: LintResult,
  text: string,
  dockerfileName: string,
): void {
  const count = (warnings ?? []).length;
  if (count === 0) {
    if (failure === undefined) process.stdout.write('Check complete, no warnings found.\n');
    return;
  }
  const found = count === 1 ? '1 warning has been found!' : `${count} warnings have been found!`;
  process.stdout.write(`Check complete, ${found}\n`);
  // The frontend knows the file by its base name only; people look for the path that they gave.
  const named =
    dockerfileName === '' ? text : text.replaceAll(/^Dockerfile:(\d+)$/gm, `${dockerfileName}:$1`);
  process.stdout.write(failure === undefined ? named : `${named}\n`);
}

function buildError(
  { message, location }: NonNullable<LintResult['buildError']>,
  sources: LintResult['sources'],
): CairnError {
  const error = new CairnError(message, { code: 'DOCKERFILE' });
  const source = sources?.[location?.sourceIndex ?? 0];
  const ranges = location?.ranges;
  return source === undefined || ranges === undefined
    ? error
    : Object.assign(error, { sources: [errorSource(source, ranges)] });
}

function errorSource({ filename, data }: LintSource, ranges: SourceRange[]): ErrorSource {
  return { filename, data: Buffer.from(data, 'base64'), ranges };
}
