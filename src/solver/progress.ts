/** Vertex events in the order and with the states that BuildKit's solver shows (package solver, v0.32.2). */
import type { Digest } from '../content/contract.ts';
import { redact } from '../errors/error.ts';
import type { Vertex } from '../llb/graph.ts';
import type { ProgressSink, VertexEvent, VertexProgress } from '../progress/events.ts';

/** What the event of a vertex that was stopped says. */
const CANCELED = 'context canceled';

/** The vertices of one build as its client sees them. */
export class SolveProgress {
  readonly #sink: ProgressSink;
  readonly #shown = new Map<Digest, VertexEvent>();
  readonly #onSkipped: (digest: Digest) => void;

  /** `onSkipped` is told of vertices that turn out not to be needed because a later one was found. */
  constructor(sink: ProgressSink, onSkipped: (digest: Digest) => void) {
    this.#sink = sink;
    this.#onSkipped = onSkipped;
  }

  /** Shows a vertex before anything is known of it. Inputs must come first. */
  announce(vertex: Vertex): void {
    if (this.#shown.has(vertex.digest)) return;
    const group = vertex.metadata.progressGroup;
    this.#send({
      digest: vertex.digest,
      inputs: vertex.inputs.map((input) => input.vertex.digest),
      // URLs in it may have passwords.
      name: redact(vertex.name),
      ...(group === undefined
        ? {}
        : { progressGroup: { id: group.id, name: redact(group.name), weak: group.weak } }),
    });
  }

  start(vertex: Vertex): void {
    const now = new Date();
    this.#skipInputs(vertex.digest, now);
    const { completed: _, error: __, ...event } = this.#event(vertex);
    this.#send({ ...event, started: now, cached: false });
  }

  complete(vertex: Vertex, error?: string): void {
    const now = new Date();
    const event = this.#event(vertex);
    this.#send({
      ...event,
      started: event.started ?? now,
      completed: now,
      cached: false,
      ...(error === undefined ? {} : { error }),
    });
  }

  canceled(vertex: Vertex): void {
    this.complete(vertex, CANCELED);
  }

  cached(vertex: Vertex): void {
    const now = new Date();
    this.#skipInputs(vertex.digest, now);
    const { completed: _, error: __, ...event } = this.#event(vertex);
    this.#send({ ...event, started: now, cached: true });
    this.#send({ ...event, started: now, completed: new Date(), cached: true });
  }

  isCached({ digest }: Vertex): boolean {
    return this.#shown.get(digest)?.cached === true;
  }

  /** The stream that belongs to a vertex. */
  of({ digest: vertex }: Vertex): VertexProgress {
    return {
      log: (stream, data) => this.#sink.log({ vertex, stream, data, timestamp: new Date() }),
      status: (event) => this.#sink.status({ ...event, vertex, timestamp: new Date() }),
      warning: (event) => this.#sink.warning({ ...event, vertex }),
    };
  }

  /**
   * When a vertex starts or is found, inputs that are not done were not needed: they are shown as cached. Of an
   * input that runs all the same, for another vertex, its end is told later.
   */
  #skipInputs(digest: Digest, now: Date): void {
    const open = [...(this.#shown.get(digest)?.inputs ?? [])];
    const skipped: VertexEvent[] = [];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const event = this.#shown.get(next);
      if (event === undefined || event.completed !== undefined) continue;
      const shown = { ...event, started: now, completed: now, cached: true };
      this.#shown.set(next, shown);
      skipped.push(shown);
      open.push(...event.inputs);
    }
    for (const event of skipped.toReversed()) {
      this.#sink.vertex(event);
      this.#onSkipped(event.digest);
    }
  }

  #event(vertex: Vertex): VertexEvent {
    const event = this.#shown.get(vertex.digest);
    if (event !== undefined) return event;
    this.announce(vertex);
    return this.#event(vertex);
  }

  #send(event: VertexEvent): void {
    this.#shown.set(event.digest, event);
    this.#sink.vertex(event);
  }
}
