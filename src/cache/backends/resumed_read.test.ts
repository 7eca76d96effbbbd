import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../../content/verify.ts';
import { readWhole, resumedRead } from './resumed_read.ts';

const content = Buffer.from('abcdefghij');

/** Gives so many bytes at each opening, then breaks or ends. */
function source(lengths: readonly number[], broken = true) {
  const starts: number[] = [];
  return {
    starts,
    async open(start: number): Promise<AsyncIterable<Uint8Array>> {
      const length = lengths[starts.length] ?? 0;
      starts.push(start);
      return (async function* () {
        yield await Promise.resolve(content.subarray(start, start + length));
        if (broken && start + length < content.length) throw new Error('reset');
      })();
    },
  };
}

const read = (from: ReturnType<typeof source>, start = 0, end = content.length): Promise<Buffer> =>
  collect(resumedRead({ name: 'blob', start, end, signal: undefined, open: (at) => from.open(at) }), 100);

test('resumedRead goes on where the connection broke or ended', async () => {
  for (const broken of [true, false]) {
    const from = source([3, 4, 10], broken);
    assert.deepEqual(await read(from), content);
    assert.deepEqual(from.starts, [0, 3, 7]);
  }
});

test('resumedRead gives a range, and nothing beyond it', async () => {
  assert.equal((await read(source([100]), 2, 5)).toString(), 'cde');
  const none = source([]);
  assert.equal((await read(none, 4, 4)).length, 0);
  assert.deepEqual(none.starts, []);
});

test('resumedRead gives up sooner when nothing comes at all', async () => {
  const slow = source([1, 1, 1, 1, 1, 1, 1, 1]);
  await assert.rejects(read(slow), {
    code: 'UNAVAILABLE',
    message: /blob: reading stopped at byte 5 of 10: reset/,
  });
  const dead = source([0, 0, 0, 0, 0, 0]);
  await assert.rejects(read(dead, 0, 10), { code: 'UNAVAILABLE' });
  assert.deepEqual(dead.starts, [0, 0, 0]);
});

test('resumedRead throws what opening throws', async () => {
  const open = (): Promise<never> => Promise.reject(new Error('gone'));
  await assert.rejects(
    collect(resumedRead({ name: 'blob', start: 0, end: 1, signal: undefined, open }), 9),
    /gone/,
  );
});

test('readWhole refuses an object that is too large, without reading it again', async () => {
  let opened = 0;
  const open = async () => {
    opened += 1;
    return { body: await source([10]).open(0), etag: 'x' };
  };
  const { signal } = new AbortController();
  await assert.rejects(readWhole('manifest', open, { limit: 9, signal }), { code: 'CORRUPT' });
  assert.equal(opened, 1);
  assert.equal((await readWhole('manifest', open, { limit: 10, signal }))?.bytes.length, 10);
});
