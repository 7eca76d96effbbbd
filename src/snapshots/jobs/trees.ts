/** Jobs that make whole trees, and the trial of what this machine can mount. */
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../content/contract.ts';
import type { JobContext } from '../../platform/contract.ts';
import { copyTree } from '../apply/copy_tree.ts';
import { withMount } from '../mounts.ts';
import { toBinary } from '../names.ts';
import type { Format } from '../records.ts';
import { applyDiff, stopIfAborted, unpack, type DiffSpec } from './tar.ts';

/** What one layer of a tree is made from. */
export type LayerSource =
  | { kind: 'blob'; path: string; diffID: Digest | undefined }
  | { kind: 'diff'; spec: DiffSpec };

export interface BuildTreeArgs {
  /** A finished tree to begin with; undefined: with what is there. */
  base: string | undefined;
  layer: LayerSource;
  /** An existing directory, empty where there is a base. */
  target: string;
}

/** Puts a layer on top of a tree; files of `base` are linked, not copied. */
export async function buildTree({ base, layer, target }: BuildTreeArgs, context: JobContext): Promise<void> {
  const root = toBinary(target);
  if (base !== undefined)
    copyTree(toBinary(base), root, { link: true, onFile: () => stopIfAborted(context) });
  const applyTarget = { root, format: { kind: 'tree' as const }, lowers: [] };
  if (layer.kind === 'diff') applyDiff(layer.spec, applyTarget, context);
  else await unpack({ blob: layer.path, diffID: layer.diffID, target: applyTarget }, context);
}

/** Copies a tree that will be written to. */
export function copyWritable({ from, to }: { from: string; to: string }, context: JobContext): void {
  copyTree(toBinary(from), toBinary(to), { link: false, onFile: () => stopIfAborted(context) });
}

/** Tries an overlay mount with a deletion, a replaced directory and a hard link, in `directory`. */
export function tryOverlay({ directory }: { directory: string }): Format {
  for (const [format, userxattr] of [
    ['overlay', false],
    ['overlay-user', true],
  ] as const) {
    const base = mkdtempSync(join(directory, 'trial-'));
    try {
      const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(base, name)) as [
        string,
        string,
        string,
      ];
      mkdirSync(join(lower, 'dir'), { recursive: true });
      writeFileSync(join(lower, 'dir/file'), 'x');
      writeFileSync(join(lower, 'gone'), 'x');
      mkdirSync(upper);
      const works = withMount(
        { kind: 'overlay', lowers: [lower], upper, work, userxattr },
        (root) => {
          rmSync(join(root, 'gone'));
          rmSync(join(root, 'dir'), { recursive: true });
          mkdirSync(join(root, 'dir'));
          writeFileSync(join(root, 'dir/new'), 'y');
          return readFileSync(join(root, 'dir/new'), 'utf8') === 'y';
        },
        base,
      );
      if (works && lstatSync(join(upper, 'gone')).isCharacterDevice()) return format;
    } catch {
      // The next kind, or none.
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  }
  return 'native';
}
