import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../llb/digest.ts';
import { checksum } from './checksum.ts';
import { newNode, TreeIndex } from './tree_index.ts';

test('checksum tries all that lies behind a prefix with escapes', () => {
  const names = ['a\\b', 'aa', 'ab'];
  const digest = digestOf('a file');
  const tree = new TreeIndex({
    readDir: () => names.map((name) => [name, newNode('file')] as const),
    digest: () => digest,
  });
  assert.equal(checksum(tree, { path: '/a\\b', wildcard: true }), digestOf(`\0ab${digest}`));
});
