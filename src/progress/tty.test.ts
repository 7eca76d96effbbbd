import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteStream } from 'node:tty';
import type { Digest } from '../content/contract.ts';
import { cutToColumns } from './columns.ts';
import type { ProgressSink } from './events.ts';
import { Trace } from './trace.ts';
import { TtyDisplay } from './tty.ts';

const LAYER: Digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
const VERTEX: Digest = `sha256:${'f'.repeat(64)}`;
const AT = new Date(1_700_000_000_000);

/** The lines of two drawings on a terminal so wide, one while it runs and the last, without sequences. */
async function drawn(columns: number, feed: (sink: ProgressSink) => void): Promise<string[]> {
  const written: string[] = [];
  const out = { columns, rows: 24, write: (text: string) => written.push(text) };
  const display = new TtyDisplay(out as unknown as WriteStream, 'here');
  feed(display.sink);
  while (written.length === 0) await sleep(10);
  display.close();
  // oxlint-disable-next-line no-control-regex
  const plain = written.join('').replace(/\u001b\[[0-9;?]*[a-zA-Z]\r?/g, '');
  return plain.trimEnd().split('\n');
}

test('a download shows its bytes, however long its name is', async () => {
  const feed = (sink: ProgressSink): void => {
    sink.vertex({ digest: VERTEX, inputs: [], name: 'FROM busybox', started: AT });
    const status = { id: LAYER, vertex: VERTEX, name: '', timestamp: AT, started: AT };
    sink.status({ ...status, current: 1_050_000, total: 3_420_000 });
  };
  for (const columns of [50, 80, 200]) {
    const line = (await drawn(columns, feed)).find((text) => text.includes('sha256:')) ?? '';
    assert.match(line, /^ => => sha256:[0-9a-f]+ 1\.05MB \/ 3\.42MB +[\d.]+s$/);
    assert.ok(line.length < columns, line);
  }
  const [narrow = ''] = (await drawn(30, feed)).filter((text) => text.includes('sha256:'));
  assert.doesNotMatch(narrow, /MB/);
});

test('no line is wider than the terminal, and none changes it', async () => {
  const lines = await drawn(60, (sink) => {
    const name = `RUN \u001b[2J\u001b]0;title\u0007echo ${'漢字'.repeat(40)}`;
    sink.vertex({ digest: VERTEX, inputs: [], name, started: AT });
    const data = Buffer.from(`old\rnew \u001b]8;;http://x\u001b\\link ${'🚀'.repeat(60)}\n`);
    sink.log({ vertex: VERTEX, stream: 1, data, timestamp: AT });
  });
  for (const line of lines) {
    assert.ok(cutToColumns(line, 1000).columns < 60, line);
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(line, /[\u0000-\u001f]|title|http/);
  }
  assert.match(lines.join('\n'), /^ => RUN echo 漢字/m);
  assert.match(lines.join('\n'), /^ => => # new link 🚀/m);
});

test('after a narrowing the next drawing covers the lines that were wrapped', async () => {
  const written: string[] = [];
  const out = { columns: 100, rows: 24, write: (text: string) => written.push(text) };
  const display = new TtyDisplay(out as unknown as WriteStream, 'here');
  display.sink.vertex({ digest: VERTEX, inputs: [], name: 'RUN true', started: AT });
  while (written.length < 2) await sleep(10);
  // oxlint-disable-next-line no-control-regex
  const rise = () => /\u001b\[(\d+)A/.exec(written.at(-1) ?? '')?.[1];
  assert.equal(rise(), '2', 'a title and a step');
  out.columns = 40;
  const before = written.length;
  while (written.length === before) await sleep(10);
  assert.equal(rise(), '6', '99 columns are three rows of 40');
  display.close();
});

test('of a step that fails the whole log is shown, of others none', async () => {
  const lines = await drawn(80, (sink) => {
    const failing = { digest: VERTEX, inputs: [], name: 'RUN make', started: AT };
    const good = { digest: LAYER, inputs: [], name: 'RUN true', started: AT };
    sink.vertex(failing);
    sink.vertex(good);
    for (let i = 0; i < 500; i++) {
      for (const vertex of [VERTEX, LAYER])
        sink.log({ vertex, stream: 1, data: Buffer.from(`${vertex} ${i}\n`), timestamp: AT });
    }
    sink.vertex({ ...good, completed: AT });
    sink.vertex({ ...failing, completed: AT, error: 'exit code: 2' });
  });
  const report = lines.slice(lines.lastIndexOf(' > RUN make:') + 1, -1);
  assert.equal(report.length, 500);
  assert.equal(report[0], `0.000 ${VERTEX} 0`);
});

test('of endless logs the end is kept', () => {
  const trace = new Trace({ lines: 100, characters: 1000 });
  trace.vertex({ digest: VERTEX, inputs: [], name: 'RUN yes', started: AT });
  const log = (text: string) =>
    trace.log({ vertex: VERTEX, stream: 1, data: Buffer.from(text), timestamp: AT });
  for (let i = 0; i < 1000; i++) log(`${i}\n`);
  const [row] = trace.started;
  assert.ok(row !== undefined && row.tail.length <= 200 && row.tailSize <= 2000);
  assert.equal(row.tail.at(-1), '0.000 999');
  for (let i = 0; i < 50; i++) log(`${'x'.repeat(500)}\n`);
  assert.ok(row.tailSize <= 2000, `${row.tailSize}`);
  assert.equal(row.tailSize, row.tail.join('').length);
});
