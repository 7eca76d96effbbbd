/** `--progress=plain`: one numbered line per event, line-compatible with BuildKit's progressui text printer. */
import type { Writable } from 'node:stream';
import { formatBytes } from './bytes.ts';
import type { ProgressSink, StatusEvent } from './events.ts';
import { totalSeconds } from './intervals.ts';
import { Trace, errorReport, isCanceled, isCompleted, isStarted, type Row } from './trace.ts';

/** How often changes are written out; between two writes several events of a vertex fold into one. */
const REFRESH_MS = 100;
/** A running vertex keeps the output this long at least before another one takes over. */
const ANTI_FLICKER_MS = 5_000;
/** After this long unseen, a vertex with news gets the output. */
const MAX_DELAY_MS = 10_000;
/** A status is printed again when it moved by this share of its total, or after MIN_STATUS_MS. */
const MIN_STATUS_SHARE = 0.05;
const MIN_STATUS_MS = 5_000;

export class PlainDisplay {
  readonly sink: ProgressSink;
  readonly #trace = new Trace();
  readonly #out: Writable;
  readonly #indexes = new Map<Row, number>();
  readonly #warningsShown = new Map<Row, number>();
  readonly #lastStatus = new Map<string, { current: number; at: number }>();
  /** Length of the unfinished log line that is already on the output. */
  readonly #offsets = new Map<Row, number>();
  #current: Row | undefined;
  #first = true;
  #description: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param description printed as line `#0`, e.g. which builder is used */
  constructor(out: Writable, description?: string) {
    this.#out = out;
    this.#description = description;
    this.sink = this.#trace;
    this.#trace.onChange = () => {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#refresh();
      }, REFRESH_MS);
    };
  }

  /** Writes what is left and the logs of failed vertices. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#trace.onChange = undefined;
    this.#refresh();
    this.#out.write(errorReport(this.#trace));
  }

  #refresh(): void {
    const visible = [...this.#trace.updates].filter((row) => !row.hidden);
    const completed = visible.filter(isCompleted).sort((a, b) => stopTime(a) - stopTime(b));
    const running = visible.filter((row) => !isCompleted(row) && isStarted(row));

    const current = this.#current;
    if (current !== undefined && completed.includes(current)) this.#print(current);
    for (const row of completed) if (row !== current) this.#print(row);
    if (running.length === 0) {
      if (this.#current === undefined) {
        const open = this.#trace.started.find((row) => !isCompleted(row) && !row.hidden);
        if (open !== undefined) this.#print(open);
      }
      return;
    }
    if (this.#current !== undefined && running.includes(this.#current)) this.#print(this.#current);
    const next = this.#busiest(running);
    if (next !== undefined && next !== this.#current) this.#print(next);
  }

  /** The running vertex that should have the output now; undefined: leave it where it is. */
  #busiest(running: Row[]): Row | undefined {
    const now = Date.now();
    const current = this.#current;
    const rows = current === undefined ? running : [...running.filter((row) => row !== current), current];
    const waited = (row: Row) => Math.max(1, now - row.activeSince.getTime());
    const speed = (row: Row) => row.activity / waited(row);
    const max = rows.reduce((a, b) => (speed(b) > speed(a) ? b : a));
    if (current === undefined) return max;
    const starved = rows.find((row) => row !== current && waited(row) > MAX_DELAY_MS);
    if (starved !== undefined) return starved;
    const share = speed(current) / rows.reduce((sum, row) => sum + speed(row), 0);
    return ANTI_FLICKER_MS / (1 - share) < waited(current) ? max : undefined;
  }

  #print(row: Row): void {
    let index = this.#indexes.get(row);
    if (index === undefined) this.#indexes.set(row, (index = this.#indexes.size + 1));
    let text = row === this.#current ? '' : this.#header(row, index);

    let open = false;
    for (const id of row.changedStatuses) {
      const status = row.statuses.get(id);
      if (status === undefined) continue;
      open ||= status.completed === undefined;
      if (this.#worthPrinting(row, status)) text += `#${index} ${statusText(status)}\n`;
    }
    row.changedStatuses.clear();

    const shown = this.#warningsShown.get(row) ?? 0;
    for (const warning of row.warnings.slice(shown)) text += `#${index} WARN: ${warning.short}\n`;
    this.#warningsShown.set(row, row.warnings.length);

    row.lines.forEach((line, i) => {
      const offset = i === 0 ? (this.#offsets.get(row) ?? 0) : 0;
      text += offset > 0 ? line.slice(offset) : `#${index} ${line}`;
      if (i < row.lines.length - 1 || !row.partial) text += '\n';
    });
    const unfinished = row.partial ? row.lines.at(-1) : undefined;
    row.lines = unfinished === undefined ? [] : [unfinished];
    this.#offsets.set(row, unfinished?.length ?? 0);

    this.#current = row;
    if (isCompleted(row) && !open) {
      this.#current = undefined;
      if (row.partial) text += '\n';
      row.lines = [];
      row.partial = false;
      row.activity = 0;
      text += `#${index} ${outcome(row)}\n`;
    }
    this.#trace.updates.delete(row);
    this.#out.write(text);
  }

  #header(row: Row, index: number): string {
    let text = '';
    const old = this.#current;
    if (old !== undefined) {
      if (old.partial) text += '\n';
      this.#offsets.set(old, 0);
      old.activity = 0;
      text += `#${this.#indexes.get(old)} ...\n`;
    }
    if (!this.#first) text += '\n';
    else if (this.#description !== undefined) text += `#0 ${this.#description}\n\n`;
    this.#first = false;
    const name =
      process.env['PROGRESS_NO_TRUNC'] === '0' && row.name.length > 72
        ? `${row.name.slice(0, 72)}...`
        : row.name;
    return `${text}#${index} ${name}\n`;
  }

  #worthPrinting(row: Row, status: StatusEvent): boolean {
    const key = `${row.id}\0${status.id}`;
    const last = this.#lastStatus.get(key);
    const at = status.timestamp.getTime();
    if (last !== undefined && status.completed === undefined) {
      const moved = status.total > 0 ? (status.current - last.current) / status.total : 0;
      if (moved < MIN_STATUS_SHARE && at - last.at < MIN_STATUS_MS) return false;
    }
    this.#lastStatus.set(key, { current: status.current, at });
    return true;
  }
}

/** `sha256:… 1.05MB / 3.42MB 0.5s done` */
export function statusText(status: StatusEvent): string {
  let text = status.id;
  if (status.total !== 0) text += ` ${formatBytes(status.current)} / ${formatBytes(status.total)}`;
  else if (status.current !== 0) text += ` ${formatBytes(status.current)}`;
  if (status.started !== undefined) {
    const seconds = ((status.completed ?? status.timestamp).getTime() - status.started.getTime()) / 1000;
    if (seconds > 0.01) text += ` ${seconds.toFixed(1)}s`;
  }
  return status.completed === undefined ? text : `${text} done`;
}

function outcome(row: Row): string {
  if (row.error !== '') return isCanceled(row) ? 'CANCELED' : `ERROR: ${row.error}`;
  if (row.cached) return 'CACHED';
  return `DONE ${totalSeconds(row.intervals, new Date()).toFixed(1)}s`;
}

function stopTime(row: Row): number {
  return row.intervals.at(-1)?.stop?.getTime() ?? 0;
}
