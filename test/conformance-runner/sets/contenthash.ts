/** The contenthash set: trees made for real, each query asked of a fresh index and of one that all queries share. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../src/errors/error.ts';
import { checksum, type ChecksumQuery } from '../../../src/snapshots/contenthash/checksum.ts';
import { DirectoryReader } from '../../../src/snapshots/contenthash/directory.ts';
import { TreeIndex } from '../../../src/snapshots/contenthash/tree_index.ts';
import { readXattrs } from '../../../src/snapshots/contenthash/xattrs.ts';
import type { ConformanceCase, ConformanceSet } from '../contract.ts';
import { firstDifference } from '../difference.ts';
import { makeTree, type TreeEntry } from '../trees.ts';

interface Query extends ChecksumQuery {
  digest?: string;
  error?: string;
  digestWhenRunAfterPreviousQueries?: string;
}

interface Case {
  name: string;
  tree: TreeEntry[];
  root?: TreeEntry;
  queries: Query[];
}

export const set: ConformanceSet = {
  cases(dir) {
    const file = join(dir, 'contenthash/cases.json');
    if (!existsSync(file)) return undefined;
    const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] };
    return cases
      .map((one): ConformanceCase => ({ name: one.name, run: async () => runCase(one) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  },
};

function runCase(one: Case): string | undefined {
  const root = mkdtempSync(join(tmpdir(), 'cairn-contenthash-'));
  try {
    makeTree(root, one.tree, one.root);
    const shared = new TreeIndex(new DirectoryReader(root, readXattrs));
    for (const [i, query] of one.queries.entries()) {
      const expected = query.digest ?? `error: ${query.error}`;
      const fresh = answer(new TreeIndex(new DirectoryReader(root, readXattrs)), query, root);
      const difference = firstDifference(expected, fresh, `queries[${i}] ${JSON.stringify(query)}`);
      if (difference !== undefined) return difference;
      // Errors may name another path once the tree is known; digests may not change.
      const later = answer(shared, query, root);
      const wanted = query.digestWhenRunAfterPreviousQueries ?? query.digest ?? later;
      const change = firstDifference(wanted, later, `queries[${i}] after the previous ones`);
      if (change !== undefined) return change;
    }
    return undefined;
  } finally {
    rmSync(root, { recursive: true });
  }
}

function answer(tree: TreeIndex, query: Query, root: string): string {
  try {
    return checksum(tree, query);
  } catch (error) {
    return `error: ${messageOf(error).replaceAll(root, '<mount>')}`;
  }
}
