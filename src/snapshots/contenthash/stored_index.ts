/** A tree index as text, for the store: one nested list per node. */
import { newNode, type NodeKind, type TreeNode } from './tree_index.ts';

/** Kind, link, digest and contents (hex or empty), then name and node of each child, or null when not read. */
type StoredNode = [kind: number, link: string, digest: string, contents: string, children: Children];
type Children = [string, StoredNode][] | null;

const KINDS: readonly NodeKind[] = ['file', 'dir', 'symlink'];

/** An index of more text than this is not kept. */
const MAX_TEXT = 32 * 1024 * 1024;

/** Undefined: too large to be kept. */
export function storeIndex(root: TreeNode): string | undefined {
  const text = JSON.stringify(toStored(root));
  return text.length > MAX_TEXT ? undefined : text;
}

/** @throws SyntaxError for what {@link storeIndex} did not write */
export function loadIndex(text: string): TreeNode {
  return fromStored(JSON.parse(text) as StoredNode);
}

function toStored(node: TreeNode): StoredNode {
  const children =
    node.children &&
    [...node.children].map(([name, child]) => [name, toStored(child)] as [string, StoredNode]);
  return [KINDS.indexOf(node.kind), node.link, hex(node.digest), hex(node.contents), children ?? null];
}

function fromStored([kind, link, digest, contents, children]: StoredNode): TreeNode {
  const node = newNode(KINDS[kind] ?? 'file', link);
  node.digest = digest === '' ? undefined : `sha256:${digest}`;
  node.contents = contents === '' ? undefined : `sha256:${contents}`;
  if (children !== null) node.children = new Map(children.map(([name, child]) => [name, fromStored(child)]));
  return node;
}

function hex(digest: string | undefined): string {
  return digest === undefined ? '' : digest.slice('sha256:'.length);
}
