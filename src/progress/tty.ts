/**
 * `--progress=tty`: a view that is drawn over itself. Running steps keep their last log lines and a timer;
 * when the window is too low for all rows, finished ones are folded into one line, so what is running is
 * always in sight. The last drawing shows every row.
 */
import type { WriteStream } from 'node:tty';
import { formatBytes } from './bytes.ts';
import { colorsFrom, type Colors } from './colors.ts';
import { cutToColumns } from './columns.ts';
import type { ProgressSink, StatusEvent } from './events.ts';
import { totalSeconds, type Interval } from './intervals.ts';
import { Trace, errorReport, isCanceled, isCompleted, isStarted, type Row } from './trace.ts';

const REDRAW_MS = 100;
/** Log lines that a running step shows at most; BUILDKIT_TTY_LOG_LINES overrides it. */
const LOG_LINES = 6;
/** Of a step that fails the whole log is shown, of which no more than these lines were to be seen; 2 MiB at most. */
const KEPT = { lines: 50_000, characters: 2 * 1024 * 1024 };
/** Of terminals that say 0, as those made without a size do. */
const UNKNOWN_COLUMNS = 80;
const UNKNOWN_ROWS = 24;
/** Below this many columns for the name a row is left out: nothing of it could be read. */
const MIN_NAME_COLUMNS = 12;
const ESC = '\u001b[';
type Style = keyof Colors | 'none';

interface Line {
  text: string;
  /** Shown after the text, which is cut short for it. */
  bytes?: string;
  /** Right-aligned. */
  timer: string;
  style: Style;
}

/** The rows of one vertex: itself, its statuses and warnings, and its log while it runs. */
interface Block {
  row: Row;
  lines: Line[];
  log: Line[];
}

export class TtyDisplay {
  readonly sink: ProgressSink;
  readonly #trace = new Trace(KEPT);
  readonly #out: WriteStream;
  readonly #description: string;
  readonly #timer: NodeJS.Timeout;
  readonly #logLines: number;
  readonly #styles: Colors & { none: '' };
  /** Columns that each line of the last drawing takes. */
  #drawn: number[] = [];

  /** @param description shown at the right of the title, e.g. the driver's name */
  constructor(out: WriteStream, description: string) {
    this.#out = out;
    this.#description = description;
    this.#logLines = positiveInteger(process.env['BUILDKIT_TTY_LOG_LINES']) ?? LOG_LINES;
    const { colors, problems } = colorsFrom(process.env);
    this.#styles = { ...colors, none: '' };
    for (const problem of problems) out.write(`WARNING: in BUILDKIT_COLORS, ${problem}\n`);
    this.sink = this.#trace;
    this.#timer = setInterval(() => this.#draw(false), REDRAW_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#draw(true);
    this.#out.write(errorReport(this.#trace));
  }

  #draw(last: boolean): void {
    const width = Math.max(20, this.#out.columns || UNKNOWN_COLUMNS);
    const height = Math.max(4, this.#out.rows || UNKNOWN_ROWS);
    const now = new Date();
    for (const row of this.#trace.updates) dropUnneeded(row);
    this.#trace.updates.clear();
    const blocks = this.#trace.started.filter((row) => !row.hidden).map((row) => this.#block(row, now));
    const body = last ? blocks.flatMap((block) => block.lines) : fit(blocks, height - 2);
    const lines = [this.#title(now, last), ...body].map((line) => this.#paint(line, width));
    const shown = lines.filter((line) => line !== undefined);
    // Rewriting each line up to its end, then clearing what is below, does not flicker as clearing first would.
    // A terminal that was made narrower has wrapped the lines that are there.
    const rows = this.#drawn.reduce((sum, columns) => sum + Math.max(1, Math.ceil(columns / width)), 0);
    const up = rows > 0 ? `${ESC}${rows}A\r` : '';
    const text = shown.map((line) => `${line.text}${ESC}K\n`);
    this.#drawn = last ? [] : shown.map((line) => line.columns);
    this.#out.write(`${ESC}?25l${up}${text.join('')}${ESC}J${ESC}?25h`);
  }

  #title(now: Date, last: boolean): Line {
    const rows = [...this.#trace.rows.values()].filter((row) => !row.hidden);
    const completed = rows.filter(isCompleted).length;
    const start = this.#trace.startTime ?? now;
    const seconds = ((now.getTime() - start.getTime()) / 1000).toFixed(1);
    const finished = last && completed > 0 && completed === rows.length ? ' FINISHED' : '';
    return {
      text: `[+] Building ${seconds}s (${completed}/${rows.length})${finished}`,
      timer: this.#description,
      style: 'none',
    };
  }

  #block(row: Row, now: Date): Block {
    const done = isCompleted(row);
    let name = withoutControls(row.name);
    let style: Style = done ? 'run' : 'none';
    if (row.error !== '') {
      style = isCanceled(row) ? 'cancel' : 'error';
      name = `${isCanceled(row) ? 'CANCELED' : 'ERROR'} ${name}`;
    } else if (row.cached) {
      name = `CACHED ${name}`;
    }
    const lines: Line[] = [{ text: ` => ${name}`, timer: timer(row.intervals, now), style }];
    for (const status of row.statuses.values()) {
      if (status.started === undefined) continue;
      lines.push({
        text: ` => => ${status.id}`,
        bytes: bytesText(status),
        timer: timer([{ start: status.started, stop: status.completed }], now),
        style: status.completed === undefined ? 'none' : 'run',
      });
    }
    for (const warning of row.warnings) {
      lines.push({ text: ` => => WARN: ${withoutControls(warning.short)}`, timer: '', style: 'warning' });
    }
    const log = done ? [] : row.tail.slice(-this.#logLines);
    return {
      row,
      lines,
      log: log.map((line) => ({
        text: ` => => # ${printable(line.replace(/^\S+ /, ''))}`,
        timer: '',
        style: 'faint',
      })),
    };
  }

  #paint(line: Line, width: number): { text: string; columns: number } | undefined {
    const room = width - line.timer.length - 2;
    if (room < MIN_NAME_COLUMNS) return undefined;
    const wanted = line.bytes ?? '';
    const bytes = room - wanted.length < MIN_NAME_COLUMNS ? '' : wanted;
    const { text, columns } = cutToColumns(line.text, room - bytes.length);
    const space = ' '.repeat(room - columns - bytes.length);
    const whole = `${text}${bytes}${line.timer === '' ? '' : `${space} ${line.timer}`}`;
    const style = this.#styles[line.style];
    return {
      text: style === '' ? whole : `${style}${whole}${ESC}0m`,
      columns: line.timer === '' ? columns + bytes.length : width - 1,
    };
  }
}

/** The log of what has succeeded, and what another view would still have to print. */
function dropUnneeded(row: Row): void {
  row.lines = row.partial ? row.lines.slice(-1) : [];
  if (!isCompleted(row) || row.error !== '') return;
  row.tail = [];
  row.tailSize = 0;
  row.partial = false;
  row.lines = [];
}

/** The rows that fit into `height` lines: all running steps first, then as much log, then the latest finished. */
function fit(blocks: Block[], height: number): Line[] {
  const running = blocks.filter(({ row }) => isStarted(row) && (!isCompleted(row) || hasOpenStatus(row)));
  const failed = blocks.filter(({ row }) => isCompleted(row) && row.error !== '' && !isCanceled(row));
  const must = new Set([...failed, ...running]);
  let room = height - [...must].reduce((sum, block) => sum + block.lines.length, 0);

  const logs = new Map<Block, Line[]>();
  for (let round = 1; room > 1 && running.some((block) => block.log.length >= round); round++) {
    // One line more for each running step, so that a chatty one does not take all the room.
    for (const block of running) {
      if (block.log.length < round || room <= 1) continue;
      logs.set(block, block.log.slice(-round));
      room--;
    }
  }

  const finished = blocks.filter((block) => !must.has(block));
  const all = finished.reduce((sum, block) => sum + block.lines.length, 0);
  const shown = new Set<Block>();
  let left = all <= room ? room : room - 1;
  for (const block of finished.toReversed()) {
    if (block.lines.length > left) break;
    shown.add(block);
    left -= block.lines.length;
  }

  const folded = finished.filter((block) => !shown.has(block));
  const cached = folded.filter(({ row }) => row.cached).length;
  const head: Line[] =
    folded.length === 0
      ? []
      : [
          {
            text: ` => ${folded.length} finished${cached > 0 ? `, ${cached} of them CACHED` : ''}`,
            timer: '',
            style: 'run',
          },
        ];
  const rest = blocks
    .filter((block) => must.has(block) || shown.has(block))
    .flatMap((block) => [...block.lines, ...(logs.get(block) ?? [])]);
  return [...head, ...rest].slice(0, Math.max(0, height));
}

/** A source is unpacked after it was completed, when somebody needs its files. */
function hasOpenStatus(row: Row): boolean {
  return [...row.statuses.values()].some(
    (status) => status.started !== undefined && status.completed === undefined,
  );
}

function bytesText(status: StatusEvent): string {
  if (status.total !== 0) return ` ${formatBytes(status.current)} / ${formatBytes(status.total)}`;
  return status.current === 0 ? '' : ` ${formatBytes(status.current)}`;
}

function timer(intervals: readonly Interval[], now: Date): string {
  const seconds = totalSeconds(intervals, now);
  return `${(seconds < 0.05 ? 0 : seconds).toFixed(1)}s`;
}

/** A log line without control sequences; what follows the last carriage return is what a terminal would show. */
function printable(line: string): string {
  return withoutControls(line.trimEnd().split('\r').at(-1) ?? '');
}

/** CSI and OSC sequences and other escapes (ECMA-48), which would change the terminal or take no room. */
// oxlint-disable-next-line no-control-regex
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;

function withoutControls(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(ESCAPES, '').replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

function positiveInteger(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : undefined;
}
