import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Edge } from '../llb/graph.ts';
import { Steps } from './test-graph.ts';

let steps: Steps;
beforeEach(() => {
  steps = new Steps();
});
afterEach(() => steps.close());

/** FROM, COPY of a file of the context, RUN. */
function simple(content = 'v1', run = 'make'): Edge {
  const base = steps.step('base');
  const context = steps.step('context', [], { volatile: true, layer: content }, `${Math.random()}`);
  const copy = steps.step('copy', [base, context], { content: [1], selectors: { 1: '/src' } });
  return steps.step(run, [copy]);
}

test('result runs every step once when nothing is known', async () => {
  assert.deepEqual(await steps.build(simple()), ['base', 'copy', 'make']);
  assert.deepEqual(steps.ran.toSorted(), ['base', 'context', 'copy', 'make']);
});

test('result runs only the source of content when all else is known', async () => {
  await steps.build(simple());
  assert.deepEqual(await steps.build(simple()), ['base', 'copy', 'make']);
  assert.deepEqual(steps.ran, ['context']);
});

test('result runs what follows a changed content', async () => {
  await steps.build(simple());
  await steps.build(simple('v2'));
  assert.deepEqual(steps.ran, ['context', 'copy', 'make']);
});

test('result runs what follows a changed definition', async () => {
  await steps.build(simple());
  await steps.build(simple('v1', 'make all'));
  assert.deepEqual(steps.ran, ['context', 'make all']);
});
