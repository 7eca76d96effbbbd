/** Where jobs make their mount points: below the store's temporary files, so that a killed process leaves none. */
import { mkdirSync } from 'node:fs';
import type { Store } from '../store/contract.ts';

const made = new WeakMap<Store, string>();

/** A directory of this process; made when it is first asked for. */
export function mountParentOf(store: Store): string {
  let path = made.get(store);
  if (path === undefined) {
    path = store.tempPath('-mount-points');
    mkdirSync(path, { mode: 0o711 });
    made.set(store, path);
  }
  return path;
}
