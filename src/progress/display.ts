/** Chooses how progress is shown: `--progress`, BUILDKIT_PROGRESS, and whether the output is a terminal. */
import { WriteStream } from 'node:tty';
import type { Writable } from 'node:stream';
import { CairnError } from '../errors/error.ts';
import { noProgress, type ProgressSink, type WarningEvent } from './events.ts';

export const PROGRESS_MODES = ['auto', 'none', 'plain', 'quiet', 'rawjson', 'tty'] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

export interface Display {
  readonly sink: ProgressSink;
  /** Warnings so far, equal ones once. */
  readonly warnings: readonly WarningEvent[];
  close(): void;
}

export interface DisplayOptions {
  mode: ProgressMode;
  out: Writable;
  /** Title of the plain view's line `#0` and of the terminal view. */
  description?: { plain: string; tty: string };
}

/** @throws CairnError USAGE when `tty` is asked for and the output is no terminal */
export async function createDisplay({ mode, out, description }: DisplayOptions): Promise<Display> {
  const view = await createView(mode, out, description);
  const warnings: WarningEvent[] = [];
  const seen = new Set<string>();
  const sink: ProgressSink = {
    vertex: (event) => view.sink.vertex(event),
    status: (event) => view.sink.status(event),
    log: (event) => view.sink.log(event),
    warning(event) {
      view.sink.warning(event);
      const key = JSON.stringify([
        event.short,
        event.detail,
        event.url,
        event.ranges,
        event.source?.filename,
      ]);
      if (seen.has(key)) return;
      seen.add(key);
      warnings.push(event);
    },
  };
  return { sink, warnings, close: () => view.close() };
}

async function createView(
  mode: ProgressMode,
  out: Writable,
  description: DisplayOptions['description'],
): Promise<{ sink: ProgressSink; close(): void }> {
  switch (mode) {
    case 'none':
    case 'quiet':
      return { sink: noProgress, close() {} };
    case 'rawjson': {
      const { RawJsonDisplay } = await import('./rawjson.ts');
      return new RawJsonDisplay(out);
    }
    case 'auto':
    case 'tty':
      if (out instanceof WriteStream) {
        const { TtyDisplay } = await import('./tty.ts');
        return new TtyDisplay(out, description?.tty ?? '');
      }
      if (mode === 'tty') {
        throw new CairnError('failed to get console: the output is not a terminal', {
          code: 'USAGE',
          hint: 'use --progress=plain, or auto to choose by the output',
        });
      }
      break;
    case 'plain':
      break;
  }
  const { PlainDisplay } = await import('./plain.ts');
  return new PlainDisplay(out, description?.plain);
}
