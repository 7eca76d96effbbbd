/** `cairn build`: prepares the request, runs it with a display, writes what was asked for. */
import { rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { styleText } from 'node:util';
import { CairnError, messageOf } from '../../errors/error.ts';
import type { BuildResult, StepReport } from '../../engine/contract.ts';
import type { WarningEvent } from '../../progress/events.ts';
import { renameTarget, replaceFile } from '../../platform/replace_file.ts';
import { createDisplay, PROGRESS_MODES, type Display, type ProgressMode } from '../../progress/display.ts';
import { warningJson } from '../../progress/rawjson.ts';
import { reportError, excerpt } from '../errors.ts';
import { didYouMean } from '../../errors/suggest.ts';
import { parseBool } from '../go_values.ts';
import type { GlobalFlags } from '../main.ts';
import { checkBuilder, ignoredFlags } from './ignored_flags.ts';
import { withDefaults, type BuildFlags } from './flags.ts';
import { prepareBuild, type PreparedBuild } from './request.ts';
import { callMetadata, printCall } from './call_output.ts';
import { reportJson, reportTable } from './cache_report.ts';
import { standardInput } from './stdin.ts';

const NO_OUTPUT =
  'WARNING: No output specified. Build result will only remain in the build cache. ' +
  'To push result image into registry use --push or to load image into docker use --load\n';

/** So many signals end the process at once, as they do BuildKit's programs (util/appcontext). */
const FORCING_SIGNALS = 3;

/** @returns the exit code @throws CairnError USAGE before anything is built */
export async function runBuild(
  context: string,
  given: Partial<BuildFlags>,
  globals: GlobalFlags,
): Promise<number> {
  const flags = { ...given, ...withDefaults(given, process.env) };
  const mode = displayMode(flags);
  checkBuilder(globals.builder, process.env);
  checkResultFiles(flags);
  // One of an earlier build would be taken for this one's; a device is nobody's.
  if (flags.iidfile !== '' && renameTarget(flags.iidfile) !== undefined)
    rmSync(flags.iidfile, { force: true });
  for (const warning of ignoredFlags(flags)) process.stderr.write(`WARNING: ${warning}\n`);
  let prefix = '';
  const asked = { context, flags, env: process.env, stdoutIsTerminal: process.stdout.isTTY };
  let prepared: PreparedBuild;
  try {
    prepared = await prepareBuild({
      ...asked,
      stdin: standardInput,
      begin: () => (prefix = 'failed to build: '),
    });
  } catch (error) {
    reportError(error, { debug: globals.debug === true, prefix });
    return 1;
  }
  const abort = new AbortController();
  let signals = 0;
  const stop = (signal: NodeJS.Signals) => {
    if (++signals >= FORCING_SIGNALS) process.exit(130);
    abort.abort(new CairnError(`canceled by ${signal}`, { code: 'CANCELED' }));
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const display = await createDisplay({
    mode,
    out: process.stderr,
    description: { plain: 'building with the embedded builder', tty: 'embedded' },
  });
  // After the progress, in what order docker buildx has it.
  let concluded = false;
  const conclude = () => {
    if (concluded) return;
    concluded = true;
    display.close();
    const shown = mode !== 'quiet' && mode !== 'none' && mode !== 'rawjson';
    if (prepared.noOutput && shown) process.stderr.write(NO_OUTPUT);
    // What a check found is its answer.
    if (prepared.call?.name !== 'lint' && shown) printWarnings(display.warnings, globals.debug === true);
  };
  let failed: StepReport[] | undefined;
  prepared.inputs.onFailure = (steps) => (failed = steps);
  try {
    const result = await build(prepared, globals, {
      display,
      signal: abort.signal,
      begin: () => (prefix = 'failed to build: failed to solve: '),
    });
    prefix = '';
    conclude();
    writeResults(result, flags, display, prepared);
    return prepared.call === undefined ? 0 : printCall(prepared.call, result, prepared.dockerfileName);
  } catch (error) {
    conclude();
    if (failed !== undefined) reportFailed(failed, flags, globals);
    reportError(
      abort.signal.aborted
        ? new CairnError('Canceled: context canceled', { code: 'CANCELED', cause: error })
        : error,
      { debug: globals.debug === true, prefix },
    );
    return abort.signal.aborted ? 130 : 1;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    prepared.release();
  }
}

interface Running {
  display: Display;
  signal: AbortSignal;
  /** Called when all that the command line names was found to be right. */
  begin: () => void;
}

async function build(
  { request, inputs }: PreparedBuild,
  globals: GlobalFlags,
  { display, signal, begin }: Running,
): Promise<BuildResult> {
  const { createEmbeddedDriver } = await import('../../drivers/embedded/driver.ts');
  const driver = await createEmbeddedDriver({
    ...(globals.root === undefined ? {} : { root: globals.root }),
    ...(globals.config === undefined ? {} : { config: globals.config }),
    env: process.env,
  });
  try {
    await driver.check(inputs);
    begin();
    return await driver.build(request, inputs, display.sink, signal);
  } finally {
    await driver.close();
  }
}

function displayMode(flags: BuildFlags): ProgressMode {
  let text = flags.progress === '' ? 'auto' : flags.progress;
  if (text === 'auto' && (process.env['BUILDKIT_PROGRESS'] ?? '') !== '')
    text = process.env['BUILDKIT_PROGRESS'] ?? text;
  const mode = PROGRESS_MODES.find((known) => known === text);
  if (mode === undefined) {
    throw new CairnError(`invalid progress mode ${text}`, {
      code: 'USAGE',
      hint: didYouMean(text, PROGRESS_MODES) ?? `modes are ${PROGRESS_MODES.join(', ')}`,
    });
  }
  if (flags.quiet === true && !['', 'auto', 'quiet'].includes(flags.progress)) {
    throw new CairnError(`progress=${flags.progress} and quiet cannot be used together`, { code: 'USAGE' });
  }
  return flags.quiet === true ? 'quiet' : mode;
}

function writeResults(
  result: BuildResult,
  flags: BuildFlags,
  display: Display,
  prepared: PreparedBuild,
): void {
  const { metadata } = result;
  // The id that docker shows: the config's digest where there is one.
  const imageId = metadata['containerimage.config.digest'] ?? metadata['containerimage.digest'] ?? '';
  const quiet = flags.quiet === true || flags.progress === 'quiet';
  if (quiet && prepared.call === undefined) process.stdout.write(`${imageId}\n`);
  if (flags.iidfile !== '') writeResult('image ID file', flags.iidfile, imageId);
  if (flags.metadataFile !== '') {
    const decoded: Record<string, unknown> =
      prepared.call === undefined
        ? { ...decodeMetadata(metadata), 'buildx.build.ref': `embedded/embedded/${prepared.request.ref}` }
        : callMetadata(prepared.call, result);
    if (
      prepared.call === undefined &&
      parseBool(process.env['BUILDX_METADATA_WARNINGS'] ?? '') === true &&
      display.warnings.length > 0
    ) {
      decoded['buildx.build.warnings'] = display.warnings.map(warningJson);
    }
    const sorted = Object.fromEntries(Object.entries(decoded).sort(([a], [b]) => (a < b ? -1 : 1)));
    writeResult('metadata file', flags.metadataFile, JSON.stringify(sorted, undefined, 2));
  }
  writeReport(result.steps, flags);
}

function writeReport(steps: StepReport[], { cacheReport }: BuildFlags): void {
  if (cacheReport === '-') process.stdout.write(reportTable(steps));
  else if (cacheReport !== undefined) writeResult('cache report', cacheReport, reportJson(steps));
}

/** Of a build that failed; that it cannot be written does not hide why. */
function reportFailed(steps: StepReport[], flags: BuildFlags, globals: GlobalFlags): void {
  try {
    writeReport(steps, flags);
  } catch (error) {
    reportError(error, { debug: globals.debug === true });
  }
}

/** Before anything is built: a build whose result cannot be told is in vain. @throws CairnError USAGE */
function checkResultFiles({ iidfile, metadataFile, cacheReport = '' }: BuildFlags): void {
  for (const [flag, path] of [
    ['--iidfile', iidfile],
    ['--metadata-file', metadataFile],
    ['--cache-report', cacheReport === '-' ? '' : cacheReport],
  ] as const) {
    if (path === '') continue;
    if (statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new CairnError(`invalid output path of ${flag}: stat ${dirname(path)}: no such directory`, {
        code: 'USAGE',
      });
    }
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
      throw new CairnError(`invalid output path of ${flag}: ${path} is a directory`, { code: 'USAGE' });
    }
  }
}

function writeResult(what: string, path: string, text: string): void {
  try {
    replaceFile(path, text);
  } catch (cause) {
    throw new CairnError(`writing ${what}: ${messageOf(cause)}`, { code: 'UNAVAILABLE', cause });
  }
}

/** Values that are base64 of a JSON object or array of objects are written as that, as buildx does. */
function decodeMetadata(metadata: Record<string, string>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => {
      try {
        const parsed: unknown = JSON.parse(Buffer.from(value, 'base64').toString('utf8'));
        if (typeof parsed === 'object' && parsed !== null) return [key, parsed];
      } catch {
        // An ordinary string.
      }
      return [key, value];
    }),
  );
}

function printWarnings(warnings: readonly WarningEvent[], debug: boolean): void {
  if (warnings.length === 0) return;
  const title = warnings.length === 1 ? '1 warning found' : `${warnings.length} warnings found`;
  const heading = ` ${title}${debug ? '' : ' (use --debug to expand)'}:`;
  // Plain where there is no terminal, or no color wanted.
  let text = `\n${styleText('yellow', heading, { stream: process.stderr })}\n`;
  for (const warning of warnings) {
    text += ` - ${warning.short}\n`;
    if (!debug) continue;
    for (const line of warning.detail ?? []) text += `${line}\n`;
    if (warning.url !== undefined && warning.url !== '') text += `More info: ${warning.url}\n`;
    if (warning.source !== undefined && warning.ranges !== undefined) {
      text += excerpt({ ...warning.source, ranges: warning.ranges });
    }
    text += '\n';
  }
  process.stderr.write(text);
}
