/** From a plan to the entries of its layer: those that the differ would tell of the directory (changes.ts). */
import { isSameContent } from '../../snapshots/changes/compare.ts';
import { isDirectory, S_IFDIR, S_IFLNK, S_IFMT } from '../../snapshots/changes/file_info.ts';
import type { LayerEntry } from '../../snapshots/contract.ts';
import { parentOf } from '../../snapshots/names.ts';
import type { EntryType } from '../../snapshots/tar/entry.ts';
import { NeedsDisk } from './needs_disk.ts';
import { copiedUp, infoOf, type PlannedFile, type PlannedTarget } from './planned_target.ts';

/** The one attribute that layers carry. */
const CAPABILITY = 'security.capability';

/** What has an entry: a file, and where it is the second name of one, the first. */
interface Told {
  path: string;
  file: PlannedFile;
  linked: string | undefined;
}

/**
 * Entries in the order of the tar: names in byte order, directories before what is in them, and above a change all
 * its directories. Made one by one as they are asked for; what they are is known when this returns.
 * @throws NeedsDisk for what only a differ can tell
 */
export function layerEntries(plan: PlannedTarget): Iterable<LayerEntry> {
  plan.checkDeletions();
  const told: Told[] = [];
  const directories = new Set<string>(['']);
  /** First name of each file with several. */
  const first = new Map<PlannedFile, string>();
  const tell = (path: string, file: PlannedFile): void => {
    const parent = parentOf(path);
    if (!directories.has(parent)) tell(parent, directoryOf(plan, parent));
    if (typeOf(file) === 'dir') directories.add(path);
    const linked = first.get(file);
    if (file.names > 1 && linked === undefined) first.set(file, path);
    told.push({ path, file, linked });
  };
  const unchanged: PlannedFile[] = [];
  for (const path of inOrder(plan.files.keys())) {
    const file = plan.files.get(path);
    if (file === undefined || path === '') continue;
    if (isUnchanged(plan, path, file)) unchanged.push(file);
    else tell(path, file);
  }
  if (unchanged.some(({ names }) => names > 1)) {
    throw new NeedsDisk('an unchanged name of a file with several');
  }
  return entriesOf(told);
}

function* entriesOf(told: readonly Told[]): Generator<LayerEntry, void, undefined> {
  for (const { path, file, linked } of told) yield entryOf(path, file, typeOf(file), linked);
}

/** Byte order of each part of the path, as a walk meets them: `a/b` before `a.c`. */
function inOrder(paths: Iterable<string>): string[] {
  const key = (path: string): string => path.replaceAll('/', '\0');
  return Array.from(paths, key)
    .sort()
    .map((sorted) => sorted.replaceAll('\0', '/'));
}

function isUnchanged(plan: PlannedTarget, path: string, file: PlannedFile): boolean {
  const lower = plan.lower(path);
  const { capability, content, target } = file;
  if (lower === undefined || (content !== undefined && 'data' in content)) return false;
  return isSameContent(lower, plan.base.root + path, infoOf(file), {
    capability: () => capability,
    target: () => target,
    path: content?.source.path ?? '',
  });
}

function directoryOf(plan: PlannedTarget, path: string): PlannedFile {
  const planned = plan.files.get(path);
  if (planned !== undefined) return planned;
  const info = plan.base.lstat(path);
  if (info === undefined || !isDirectory(info)) throw new NeedsDisk(`${path} is no directory`);
  return copiedUp(plan.base, path, info);
}

function typeOf({ mode }: PlannedFile): EntryType {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) return 'dir';
  return type === S_IFLNK ? 'symlink' : 'file';
}

function entryOf(path: string, file: PlannedFile, type: EntryType, linked: string | undefined): LayerEntry {
  const { capability, content } = file;
  const hasCapability = capability !== undefined && capability.length > 0;
  const entry: LayerEntry = {
    type: linked === undefined ? type : 'link',
    name: path.slice(1),
    linkname: linked === undefined ? file.target : linked.slice(1),
    mode: file.mode & 0o7777,
    uid: file.uid,
    gid: file.gid,
    size: type === 'file' && linked === undefined ? file.size : 0,
    mtime: file.mtime,
    mtimeNs: file.mtimeNs,
    devMajor: 0,
    devMinor: 0,
    xattrs: hasCapability ? new Map([[CAPABILITY, capability]]) : undefined,
  };
  if (entry.size === 0 || content === undefined) return entry;
  entry.content = 'data' in content ? content : { path: content.source.path, info: content.source.info };
  return entry;
}
