import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findObjects, type ListedPage, type StoredObject } from './stored_objects.ts';

const object = { size: 1, modified: new Date(0) };

/** A store with these names that counts what it is asked; its pages have `pageSize` names. */
function store(names: readonly string[], pageSize: number) {
  const sorted = [...names].sort();
  const asked = { lists: 0, heads: 0 };
  return {
    asked,
    list(from: string): Promise<ListedPage | undefined> {
      asked.lists += 1;
      const rest = sorted.filter((name) => name >= from);
      const page = rest.slice(0, pageSize);
      return Promise.resolve({
        objects: new Map(page.map((name) => [name, object])),
        until: rest.length > pageSize ? page.at(-1) : undefined,
      });
    },
    head(name: string): Promise<StoredObject | undefined> {
      asked.heads += 1;
      return Promise.resolve(sorted.includes(name) ? object : undefined);
    },
  };
}

const number = (n: number): string => String(n).padStart(6, '0');
const numbers = (count: number, step = 1): string[] =>
  Array.from({ length: count }, (_, i) => number(i * step));

test('findObjects needs one listing when all names fit into one', async () => {
  const s = store(numbers(500), 1000);
  const wanted = [...numbers(40), 'missing'];
  assert.deepEqual([...(await findObjects(wanted, s)).keys()].sort(), numbers(40));
  assert.deepEqual(s.asked, { lists: 1, heads: 0 });
});

test('findObjects skips what lies between the names it looks for', async () => {
  const s = store(numbers(100_000), 100);
  const wanted = [...numbers(10), ...numbers(10).map((n) => number(Number(n) + 90_000))];
  assert.equal((await findObjects(wanted, s)).size, 20);
  assert.deepEqual(s.asked, { lists: 2, heads: 0 });
});

test('findObjects asks for each name when names are scattered or few', async () => {
  const s = store(numbers(10_000), 10);
  const scattered = numbers(20, 500);
  assert.deepEqual([...(await findObjects(scattered, s)).keys()].sort(), scattered);
  assert.deepEqual(s.asked, { lists: 1, heads: 19 });
  const few = store(numbers(10_000), 10);
  assert.equal((await findObjects([number(3), 'missing'], few)).size, 1);
  assert.deepEqual(few.asked, { lists: 0, heads: 2 });
});

test('findObjects asks for each name when it may not list or listings always begin at the start', async () => {
  const s = store(numbers(50), 1000);
  const denied = { ...s, list: () => Promise.resolve(undefined) };
  assert.equal((await findObjects(numbers(50), denied)).size, 50);
  const t = store(numbers(1000), 10);
  const fromStart = { ...t, list: () => t.list('') };
  assert.equal((await findObjects(numbers(40).slice(20), fromStart)).size, 20);
  assert.deepEqual(t.asked, { lists: 1, heads: 20 });
});
