/**
 * The state behind the plain and the terminal view: what the stream has said of each vertex so far. Members
 * of a progress group are folded into one row, hidden until a member that is not weak has started, as
 * BuildKit's util/progress/progressui does (v0.32.2).
 */
import type { LogEvent, ProgressSink, StatusEvent, VertexEvent, WarningEvent } from './events.ts';
import { TextDecoder } from 'node:util';
import { mergeIntervals, type Interval } from './intervals.ts';

/** How much of a vertex's log is kept to be shown when it fails; twice as much for moments. */
export interface Kept {
  lines: number;
  /** UTF-16 code units. */
  characters: number;
}

/** Where the log is on the output already (BuildKit's logsBufferSize). */
const LAST_LINES: Kept = { lines: 10, characters: Number.POSITIVE_INFINITY };
/** A log line longer than this is cut in memory; a build that prints no newline must not grow the trace. */
const MAX_LINE_BYTES = 64 * 1024;

/** One line on the display: a vertex or a progress group. */
export interface Row {
  readonly id: string;
  name: string;
  cached: boolean;
  error: string;
  intervals: Interval[];
  statuses: Map<string, StatusEvent>;
  warnings: WarningEvent[];
  /** Lines (without the newline) that a view has not taken yet; the last may be unfinished: `partial`. */
  lines: string[];
  partial: boolean;
  /** The last lines, for the error report: at least those that are to be kept. */
  tail: string[];
  /** Characters in `tail`. */
  tailSize: number;
  hidden: boolean;
  /** Changed since a view last took it. */
  changedStatuses: Set<string>;
  /** Output and events since the view last showed it, a measure of how busy it is. */
  activity: number;
  activeSince: Date;
}

export function isStarted(row: Row): boolean {
  return row.intervals.length > 0;
}

export function isCompleted(row: Row): boolean {
  const last = row.intervals.at(-1);
  return last !== undefined && last.stop !== undefined;
}

/** Errors of vertices that were stopped because another one failed, or by the user. */
export function isCanceled(row: Row): boolean {
  return /(context canceled|canceled)$/i.test(row.error);
}

interface Group {
  row: Row;
  members: Map<string, VertexEvent>;
}

export class Trace implements ProgressSink {
  readonly rows = new Map<string, Row>();
  /** Rows in the order in which they started. */
  readonly started: Row[] = [];
  /** Rows that changed since the view last cleared this. */
  readonly updates = new Set<Row>();
  startTime: Date | undefined;
  readonly #groups = new Map<string, Group>();
  readonly #rowOf = new Map<string, Row>();
  /** By start in milliseconds: merged intervals no longer tell which run an event is about. */
  readonly #runs = new Map<Row, Map<number, Interval>>();
  readonly #decoders = new Map<Row, TextDecoder>();
  readonly kept: Kept;
  onChange: (() => void) | undefined;

  constructor(kept: Kept = LAST_LINES) {
    this.kept = kept;
  }

  vertex(event: VertexEvent): void {
    if (event.started !== undefined) this.startTime ??= event.started;
    if (event.progressGroup !== undefined) this.#groupMember(event, event.progressGroup);
    else this.#single(event);
    this.onChange?.();
  }

  status(event: StatusEvent): void {
    const row = this.#rowOf.get(event.vertex);
    if (row === undefined) return;
    row.statuses.set(event.id, event);
    row.changedStatuses.add(event.id);
    this.#touch(row);
    this.onChange?.();
  }

  warning(event: WarningEvent): void {
    const row = this.#rowOf.get(event.vertex);
    if (row === undefined) return;
    row.warnings.push(event);
    this.#touch(row);
    this.onChange?.();
  }

  log(event: LogEvent): void {
    const row = this.#rowOf.get(event.vertex);
    if (row === undefined || event.data.length === 0) return;
    let decoder = this.#decoders.get(row);
    if (decoder === undefined) this.#decoders.set(row, (decoder = new TextDecoder()));
    const stamp = elapsed(row, event.timestamp);
    const pieces = decoder.decode(event.data, { stream: true }).split('\n');
    const last = pieces.pop() ?? '';
    for (const piece of pieces) {
      this.#append(row, piece, stamp);
      row.partial = false;
    }
    if (last !== '') {
      this.#append(row, last, stamp);
      row.partial = true;
    }
    this.#touch(row);
    this.onChange?.();
  }

  #append(row: Row, text: string, stamp: string): void {
    if (row.partial && row.lines.length > 0) {
      const line = `${row.lines.pop() ?? ''}${text}`.slice(0, MAX_LINE_BYTES);
      row.lines.push(line);
      row.tailSize += line.length - (row.tail.at(-1)?.length ?? 0);
      row.tail[row.tail.length - 1] = line;
      return;
    }
    const line = `${stamp} ${text}`.slice(0, MAX_LINE_BYTES);
    row.lines.push(line);
    row.tail.push(line);
    row.tailSize += line.length;
    // Seldom, and many at once: each time all that stay are moved.
    const { lines, characters } = this.kept;
    if (row.tail.length <= 2 * lines && row.tailSize <= 2 * characters) return;
    let first = Math.max(0, row.tail.length - lines);
    let size = row.tail.slice(first).reduce((sum, each) => sum + each.length, 0);
    while (size > characters && first < row.tail.length - 1) size -= row.tail[first++]?.length ?? 0;
    row.tail = row.tail.slice(first);
    row.tailSize = size;
  }

  #single(event: VertexEvent): void {
    let row = this.#rowOf.get(event.digest);
    if (row === undefined) {
      row = newRow(event.digest, event.name);
      this.rows.set(row.id, row);
      this.#rowOf.set(event.digest, row);
    }
    if (isStarted(row) && event.started === undefined) return;
    row.name = event.name;
    row.cached = event.cached ?? false;
    row.error = event.error ?? '';
    if (event.started === undefined) return;
    const wasStarted = isStarted(row);
    const start = event.started;
    let runs = this.#runs.get(row);
    if (runs === undefined) this.#runs.set(row, (runs = new Map()));
    runs.set(start.getTime(), { start, stop: event.completed });
    row.intervals = mergeIntervals(runs.values());
    if (!wasStarted) this.started.push(row);
    this.#touch(row);
  }

  #groupMember(event: VertexEvent, { id, name }: { id: string; name: string }): void {
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = { row: newRow(id, name), members: new Map() };
      group.row.hidden = true;
      this.#groups.set(id, group);
      this.rows.set(id, group.row);
    }
    group.members.set(event.digest, event);
    this.#rowOf.set(event.digest, group.row);

    const { row } = group;
    const wasHidden = row.hidden;
    const intervals: Interval[] = [];
    row.cached = true;
    row.error = '';
    for (const member of group.members.values()) {
      row.cached &&= member.cached ?? false;
      row.error ||= member.error ?? '';
      if (member.started === undefined) continue;
      intervals.push({ start: member.started, stop: member.completed });
      if (member.progressGroup?.weak !== true) row.hidden = false;
    }
    if (row.error !== '') row.hidden = false;
    row.intervals = mergeIntervals(intervals);
    if (row.hidden) return;
    if (wasHidden) this.started.push(row);
    this.#touch(row);
  }

  #touch(row: Row): void {
    if (row.activity === 0) row.activeSince = new Date();
    row.activity++;
    this.updates.add(row);
  }
}

function newRow(id: string, name: string): Row {
  return {
    id,
    name,
    cached: false,
    error: '',
    intervals: [],
    statuses: new Map(),
    warnings: [],
    lines: [],
    partial: false,
    tail: [],
    tailSize: 0,
    hidden: false,
    changedStatuses: new Set(),
    activity: 0,
    activeSince: new Date(),
  };
}

/** Seconds since the vertex last started, with the precision that BuildKit prints: four significant places. */
function elapsed(row: Row, at: Date): string {
  const start = row.intervals.at(-1)?.start ?? at;
  const seconds = Math.max(0, (at.getTime() - start.getTime()) / 1000);
  return seconds.toFixed(seconds < 10 ? 3 : seconds < 100 ? 2 : 1);
}

/** The failed vertices with their last log lines, as both views print them at the end. */
export function errorReport(trace: Trace): string {
  let out = '';
  for (const row of trace.started) {
    if (row.error === '' || isCanceled(row)) continue;
    out += `------\n > ${row.name}:\n${row.tail
      .slice(-trace.kept.lines)
      .map((line) => `${line}\n`)
      .join('')}------\n`;
  }
  return out;
}
