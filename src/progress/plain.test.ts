import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { ProgressSink, VertexEvent } from './events.ts';
import { PlainDisplay } from './plain.ts';

const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms);
const step = (id: string, name: string, more: Partial<VertexEvent> = {}): VertexEvent => ({
  digest: `sha256:${id}`,
  inputs: [],
  name,
  ...more,
});

function shown(feed: (sink: ProgressSink) => void): string {
  const out = new PassThrough();
  const display = new PlainDisplay(out);
  feed(display.sink);
  display.close();
  return (out.read() as Buffer | null)?.toString('utf8') ?? '';
}

test('PlainDisplay prints a finished step with its log, and a cached one', () => {
  const text = shown((sink) => {
    sink.vertex(step('a', '[1/2] FROM busybox', { started: at(0), completed: at(100), cached: true }));
    sink.vertex(step('b', '[2/2] RUN make', { started: at(100) }));
    sink.log({ vertex: 'sha256:b', stream: 1, data: Buffer.from('one\ntw'), timestamp: at(350) });
    sink.log({ vertex: 'sha256:b', stream: 1, data: Buffer.from('o\n'), timestamp: at(400) });
    sink.vertex(step('b', '[2/2] RUN make', { started: at(100), completed: at(1600) }));
  });
  assert.equal(
    text,
    '#1 [1/2] FROM busybox\n#1 CACHED\n\n#2 [2/2] RUN make\n#2 0.250 one\n#2 0.250 two\n#2 DONE 1.5s\n',
  );
});

test('PlainDisplay ends with the last lines of a failed step', () => {
  const text = shown((sink) => {
    sink.vertex(step('a', 'RUN false', { started: at(0) }));
    sink.log({ vertex: 'sha256:a', stream: 2, data: Buffer.from('no such thing\n'), timestamp: at(1234) });
    sink.vertex(step('a', 'RUN false', { started: at(0), completed: at(2000), error: 'exit code: 1' }));
  });
  assert.match(text, /#1 ERROR: exit code: 1\n------\n > RUN false:\n1\.234 no such thing\n------\n$/);
});

test('PlainDisplay shows bytes and time of a status', () => {
  const text = shown((sink) => {
    sink.vertex(step('a', 'FROM x', { started: at(0) }));
    sink.status({
      id: 'sha256:123',
      vertex: 'sha256:a',
      name: '',
      current: 3_420_000,
      total: 3_420_000,
      timestamp: at(900),
      started: at(200),
      completed: at(900),
    });
    sink.vertex(step('a', 'FROM x', { started: at(0), completed: at(1000) }));
  });
  assert.equal(text, '#1 FROM x\n#1 sha256:123 3.42MB / 3.42MB 0.7s done\n#1 DONE 1.0s\n');
});

test('PlainDisplay folds the members of a progress group into one row and hides a weak one alone', () => {
  const text = shown((sink) => {
    const strong = { id: 'g', name: 'COPY --link . .' };
    sink.vertex(
      step('a', 'copy', { progressGroup: strong, started: at(0), completed: at(500), cached: true }),
    );
    sink.vertex(step('b', 'merge', { progressGroup: strong, started: at(500), completed: at(600) }));
    sink.vertex(
      step('c', 'hidden', {
        progressGroup: { id: 'w', name: 'weak', weak: true },
        started: at(0),
        completed: at(1),
      }),
    );
  });
  assert.equal(text, '#1 COPY --link . .\n#1 DONE 0.6s\n');
});

test('PlainDisplay completes a vertex that ran twice without a pause', () => {
  const text = shown((sink) => {
    sink.vertex(step('a', 'load', { started: at(0), completed: at(1) }));
    sink.vertex(step('a', 'load', { started: at(1) }));
    sink.vertex(step('a', 'load', { started: at(1), completed: at(100) }));
  });
  assert.equal(text, '#1 load\n#1 DONE 0.1s\n');
});
