import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chains, type ChainRecord, type ChainResult } from './chains.ts';
import { orderRecords } from './order.ts';
import { digestOf } from './test_snapshots.ts';

type Record = ChainRecord<ChainResult>;

/** Each record that is written with what leads to it, by names of digests. */
function written(chains: Chains<ChainResult>, names: readonly string[]): string[] {
  const nameOf = ({ digest }: Record): string => names.find((name) => digestOf(name) === digest) ?? '';
  return orderRecords(chains.ends())
    .map(({ source, inputs }) =>
      [
        nameOf(source),
        ...inputs.map((links) => links.map(({ record }) => nameOf(record.source)).join(' or ')),
      ].join(' of '),
    )
    .toSorted();
}

test('a copy of a copy that is found to be the same takes over what follows, and is found by content only', () => {
  const chains = new Chains<ChainResult>();
  const stage = chains.add(digestOf('stage'), [], []);
  const content = chains.add(digestOf('content'), [], []);
  const copy = digestOf('copy');
  const first = chains.add(
    copy,
    [
      [
        { from: stage, selector: '/f' },
        { from: content, selector: '' },
      ],
    ],
    [],
  );
  const second = chains.add(copy, [[{ from: first, selector: '/f' }]], []);
  chains.add(digestOf('run'), [[{ from: first, selector: '' }]], []);
  const names = ['stage', 'content', 'copy', 'run'];
  assert.deepEqual(written(chains, names), [
    'content',
    'copy of copy',
    'copy of stage or content',
    'run of copy',
    'stage',
  ]);
  const both = [
    { from: first, selector: '/f' },
    { from: content, selector: '' },
  ];
  assert.equal(chains.add(copy, [both], []), second);
  assert.deepEqual(written(chains, names), ['content', 'copy of content', 'run of copy']);
});
