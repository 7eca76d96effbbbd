/** Which snapshotter this machine gets: found out by trying, once, and remembered in the store. */
import { mkdirSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { CairnError } from '../errors/error.ts';
import { NativeSnapshotter } from './native.ts';
import { OverlaySnapshotter } from './overlay.ts';
import type { Format } from './records.ts';
import type { Snapshotter, SnapshotterParts } from './snapshotter.ts';

/** Tests, and users whose overlayfs misbehaves, choose by this environment variable: `overlay` or `native`. */
export const SNAPSHOTTER_VARIABLE = 'CAIRN_SNAPSHOTTER';

/**
 * @throws CairnError USAGE for another value of the variable, UNSUPPORTED when overlay is demanded and impossible
 */
export async function chooseSnapshotter(parts: SnapshotterParts): Promise<Snapshotter> {
  const wanted = process.env[SNAPSHOTTER_VARIABLE] ?? '';
  if (wanted === 'native') return new NativeSnapshotter(parts);
  if (wanted !== '' && wanted !== 'overlay') {
    throw new CairnError(`${SNAPSHOTTER_VARIABLE}=${wanted} is neither overlay nor native`, {
      code: 'USAGE',
    });
  }
  const format = await detect(parts);
  if (format !== 'native') return new OverlaySnapshotter(parts, format);
  if (wanted === 'overlay') {
    throw new CairnError('overlay mounts are not possible here', {
      code: 'UNSUPPORTED',
      hint: `Leave ${SNAPSHOTTER_VARIABLE} unset: files are then copied instead.`,
    });
  }
  return new NativeSnapshotter(parts);
}

/** The remembered format, without trying; undefined: not tried yet. */
export function rememberedFormat({ records }: Pick<SnapshotterParts, 'records'>): Format | undefined {
  return process.env[SNAPSHOTTER_VARIABLE] === 'native' ? 'native' : records.trial(machine());
}

async function detect(parts: SnapshotterParts): Promise<Format> {
  const { jobs, records, store } = parts;
  const key = machine();
  const known = records.trial(key);
  if (known !== undefined) return known;
  const directory = store.tempPath('-trial');
  mkdirSync(directory, { mode: 0o711 });
  const format = await jobs.run<{ directory: string }, Format>('snapshots.tryOverlay', { directory });
  records.setTrial(key, format);
  return format;
}

/** What decides whether overlays work, besides the file system of the store: kernel, user and id mapping. */
function machine(): string {
  let map = '';
  try {
    map = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/).join(' ');
  } catch {
    // No /proc: the other two have to do.
  }
  return `${release()} ${process.geteuid?.() ?? 0} ${map}`;
}
