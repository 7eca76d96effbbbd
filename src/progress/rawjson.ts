/** `--progress=rawjson`: one JSON object per event, the schema of BuildKit's client.SolveStatus (client/graph.go, v0.32.2). */
import type { Writable } from 'node:stream';
import type {
  LogEvent,
  ProgressSink,
  SourceRange,
  StatusEvent,
  VertexEvent,
  WarningEvent,
} from './events.ts';

export class RawJsonDisplay {
  readonly sink: ProgressSink;

  constructor(out: Writable) {
    const write = (status: object) => void out.write(`${JSON.stringify(status)}\n`);
    this.sink = {
      vertex: (event) => write({ vertexes: [vertexJson(event)] }),
      status: (event) => write({ statuses: [statusJson(event)] }),
      log: (event) => write({ logs: [logJson(event)] }),
      warning: (event) => write({ warnings: [warningJson(event)] }),
    };
  }

  close(): void {
    // Every event was written when it came.
  }
}

function vertexJson(event: VertexEvent): object {
  return {
    digest: event.digest,
    inputs: event.inputs.length > 0 ? event.inputs : undefined,
    name: event.name,
    started: event.started,
    completed: event.completed,
    cached: event.cached === true ? true : undefined,
    error: event.error === '' ? undefined : event.error,
    progressGroup: event.progressGroup,
  };
}

function statusJson(event: StatusEvent): object {
  return {
    id: event.id,
    vertex: event.vertex,
    name: event.name === '' ? undefined : event.name,
    total: event.total === 0 ? undefined : event.total,
    current: event.current,
    timestamp: event.timestamp,
    started: event.started,
    completed: event.completed,
  };
}

function logJson(event: LogEvent): object {
  return {
    vertex: event.vertex,
    stream: event.stream,
    data: Buffer.from(event.data).toString('base64'),
    timestamp: event.timestamp,
  };
}

/** Also the form of `buildx.build.warnings` in the metadata file. */
export function warningJson(event: WarningEvent): object {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return {
    vertex: event.vertex,
    level: event.level === 0 ? undefined : event.level,
    short: base64(event.short),
    detail: event.detail?.map(base64),
    url: event.url === '' ? undefined : event.url,
    sourceInfo:
      event.source === undefined
        ? undefined
        : {
            filename: event.source.filename,
            data: Buffer.from(event.source.data).toString('base64'),
            language: event.source.language,
          },
    range: event.ranges?.map(rangeJson),
  };
}

/** Go's encoding/json leaves out the zero `character`. */
function rangeJson({ start, end }: SourceRange): object {
  const position = (p: { line: number; character: number }) => ({
    line: p.line,
    character: p.character === 0 ? undefined : p.character,
  });
  return { start: position(start), end: position(end) };
}
