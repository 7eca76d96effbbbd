/**
 * The progress stream: the same four kinds of event as BuildKit's `client.SolveStatus`
 * (package client, graph.go, v0.32.2), so that rawjson output and a daemon's Status call are one mapping away.
 */
import type { Digest } from '../content/contract.ts';

export interface ProgressGroup {
  id: string;
  name: string;
  weak?: boolean;
}

/** A vertex as shown to people. Sent again, whole, on each change; the digest identifies it. */
export interface VertexEvent {
  digest: Digest;
  /** Digests of the vertices that it needs. */
  inputs: Digest[];
  name: string;
  started?: Date;
  completed?: Date;
  cached?: boolean;
  error?: string;
  progressGroup?: ProgressGroup;
}

/** Progress of something inside a vertex: a layer being pulled, a phase of an export. */
export interface StatusEvent {
  /** Unique within the vertex; also the text shown, e.g. `exporting layers` or `sha256:… `. */
  id: string;
  vertex: Digest;
  name: string;
  /** In bytes; `total` 0 when unknown. */
  current: number;
  total: number;
  timestamp: Date;
  started?: Date;
  completed?: Date;
}

export interface LogEvent {
  vertex: Digest;
  /** 1 stdout, 2 stderr. */
  stream: 1 | 2;
  data: Uint8Array;
  timestamp: Date;
}

/** A range in a source file: lines from 1, characters from 0. */
export interface SourceRange {
  start: { line: number; character: number };
  end: { line: number; character: number };
}

export interface WarningEvent {
  vertex: Digest;
  level: number;
  /** One line. */
  short: string;
  detail?: string[];
  url?: string;
  source?: { filename: string; data: Uint8Array; language?: string };
  ranges?: SourceRange[];
}

/** Where every part reports to. Implementations must not throw and must return at once. */
export interface ProgressSink {
  vertex(event: VertexEvent): void;
  status(event: StatusEvent): void;
  log(event: LogEvent): void;
  warning(event: WarningEvent): void;
}

/** Discards everything. */
export const noProgress: ProgressSink = {
  vertex() {},
  status() {},
  log() {},
  warning() {},
};

/** The part of the stream that belongs to one running vertex; handed to ops, sources and exporters. */
export interface VertexProgress {
  log(stream: 1 | 2, data: Uint8Array): void;
  status(event: Omit<StatusEvent, 'vertex' | 'timestamp'>): void;
  warning(event: Omit<WarningEvent, 'vertex'>): void;
}
