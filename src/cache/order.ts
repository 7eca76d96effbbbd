/** The order of records and layers in a cache config: the same build gives the same bytes. */
import { createHash } from 'node:crypto';
import type { ChainRecord, ChainResult } from './chains.ts';

/** An alternative for an input of a record. */
export interface OrderedInput<Result extends ChainResult> {
  record: OrderedRecord<Result>;
  selector: string;
}

/** A record whose inputs are in a fixed order. */
export interface OrderedRecord<Result extends ChainResult> {
  source: ChainRecord<Result>;
  inputs: OrderedInput<Result>[][];
  /** Made of the record's digest and of everything that leads to it. */
  identity: string;
}

/**
 * Records and all that leads to them, in BuildKit's order (digest, number of inputs, of alternatives, selectors,
 * digests of the inputs; cache/remotecache/v1, v0.32.2), and where that leaves a tie, by all that leads to them.
 * Records that an input is missing of are left out.
 */
export function orderRecords<Result extends ChainResult>(
  records: Iterable<ChainRecord<Result>>,
): OrderedRecord<Result>[] {
  const ordered = new Map<ChainRecord<Result>, OrderedRecord<Result> | undefined>();
  for (const record of records) visit(record, ordered);
  return [...ordered.values()].filter((record) => record !== undefined).toSorted(compareRecords);
}

/** Inputs first; a link that would close a loop finds its source not ready, and is left out. */
function visit<Result extends ChainResult>(
  start: ChainRecord<Result>,
  ordered: Map<ChainRecord<Result>, OrderedRecord<Result> | undefined>,
): void {
  const entered = new Set<ChainRecord<Result>>();
  const open = [start];
  for (let record = open.at(-1); record !== undefined; record = open.at(-1)) {
    if (!entered.has(record) && !ordered.has(record)) {
      entered.add(record);
      for (const sources of record.inputs) {
        for (const source of sources.keys())
          if (!ordered.has(source) && !entered.has(source)) open.push(source);
      }
      continue;
    }
    open.pop();
    if (!ordered.has(record)) ordered.set(record, finish(record, ordered));
  }
}

function finish<Result extends ChainResult>(
  source: ChainRecord<Result>,
  ordered: Map<ChainRecord<Result>, OrderedRecord<Result> | undefined>,
): OrderedRecord<Result> | undefined {
  const inputs = source.inputs.map((sources) =>
    [...sources]
      .flatMap(([from, selectors]) => {
        const record = ordered.get(from);
        return record === undefined ? [] : [...selectors].map((selector) => ({ record, selector }));
      })
      .toSorted(
        (a, b) =>
          compare(a.record.source.digest, b.record.source.digest) ||
          compare(a.selector, b.selector) ||
          compare(a.record.identity, b.record.identity),
      ),
  );
  if (inputs.some((alternatives) => alternatives.length === 0)) return undefined;
  const hash = createHash('sha256').update(source.digest);
  for (const alternatives of inputs) {
    hash.update('\n');
    for (const { record, selector } of alternatives) hash.update(`${record.identity} ${selector} `);
  }
  return { source, inputs, identity: hash.digest('hex') };
}

function compareRecords<Result extends ChainResult>(
  a: OrderedRecord<Result>,
  b: OrderedRecord<Result>,
): number {
  return (
    compare(a.source.digest, b.source.digest) ||
    a.inputs.length - b.inputs.length ||
    compareInputs(a, b) ||
    compare(a.identity, b.identity)
  );
}

function compareInputs<Result extends ChainResult>(
  a: OrderedRecord<Result>,
  b: OrderedRecord<Result>,
): number {
  for (const [index, left] of a.inputs.entries()) {
    const right = b.inputs[index] ?? [];
    if (left.length !== right.length) return left.length - right.length;
    for (const [number, input] of left.entries()) {
      const other = right[number];
      if (other === undefined) return 0;
      const order =
        compare(input.selector, other.selector) ||
        compare(input.record.source.digest, other.record.source.digest);
      if (order !== 0) return order;
    }
  }
  return 0;
}

/** By code units, as Go compares strings of ASCII. */
export function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
