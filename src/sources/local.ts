/** `local://NAME`: a directory of the client's, used in place (BuildKit v0.32.2, source/local). */
import { lstatSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { CairnError } from '../errors/error.ts';
import { digestOf } from '../llb/digest.ts';
import { goJson } from '../llb/go_json.ts';
import type { VertexProgress } from '../progress/events.ts';
import type { HostTree } from '../snapshots/contract.ts';
import { listAttr, refuseAttrs, type Attrs } from './attrs.ts';
import type { ContextSource, Source } from './contract.ts';

/** Files that are counted for progress, at most: looking for them must cost nothing. */
const MAX_COUNTED_FILES = 100;
const UNSUPPORTED = ['local.metadatatransfer', 'local.metadatatransferexclude'];

/** @throws CairnError NOT_FOUND when it is not offered or not there, USAGE when it is no directory */
function directoryOf(name: string, client: ContextSource): string {
  const directory = client.localDirectory(name);
  if (directory === undefined) {
    throw new CairnError(`no local directory "${name}" was offered by the client`, { code: 'NOT_FOUND' });
  }
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new CairnError(`local directory "${name}": ${directory} does not exist`, { code: 'NOT_FOUND' });
  }
  if (!stat.isDirectory()) {
    throw new CairnError(`local directory "${name}": ${directory} is not a directory`, { code: 'USAGE' });
  }
  return directory;
}

/**
 * @param sessionId goes into the key where the op names none
 * @throws CairnError SOLVE for attributes that do not parse, UNSUPPORTED for metadata-only transfers
 */
export function localSource(name: string, attrs: Attrs, client: ContextSource, sessionId: string): Source {
  refuseAttrs(attrs, `local://${name}`, UNSUPPORTED);
  const includePatterns = listAttr(attrs, 'local.includepattern');
  const excludePatterns = listAttr(attrs, 'local.excludepatterns');
  const followPaths = listAttr(attrs, 'local.followpaths');
  const session = attrs['local.session'] ?? '';
  return {
    key() {
      const digest = digestOf(
        goJson({
          SessionID: session === '' ? sessionId : session,
          IncludePatterns: includePatterns ?? null,
          ExcludePatterns: excludePatterns ?? null,
          FollowPaths: followPaths ?? null,
        }),
      );
      return Promise.resolve({ key: `session:${name}:${digest}`, done: true, volatile: true, pin: digest });
    },
    snapshot({ progress }) {
      try {
        const root = directoryOf(name, client);
        const tree: Omit<HostTree, 'id'> = {
          kind: 'host',
          name,
          root,
          includePatterns: includePatterns ?? [],
          excludePatterns: excludePatterns ?? [],
          followPaths: followPaths ?? [],
        };
        showTransfer(name, tree, progress);
        return Promise.resolve({ ...tree, id: digestOf(goJson(tree)) });
      } catch (error) {
        return Promise.reject(error as Error);
      }
    },
  };
}

/**
 * BuildKit's status of a transfer, for those who read it, although nothing is transferred: files are read where they
 * are. The bytes are those of the files that are wanted, when the op names single files.
 */
function showTransfer(
  name: string,
  { root, includePatterns, followPaths }: Omit<HostTree, 'id'>,
  progress: VertexProgress,
): void {
  const now = new Date();
  const current = sizeOfFiles(root, [...includePatterns, ...followPaths]) ?? 0;
  const id = `transferring ${name}:`;
  progress.status({ id, name: 'transferring', current, total: 0, started: now, completed: now });
}

/** In bytes; undefined when one of the paths is no file. */
function sizeOfFiles(root: string, paths: readonly string[]): number | undefined {
  if (paths.length > MAX_COUNTED_FILES) return undefined;
  let size = 0;
  for (const path of paths) {
    const stat = lstatIfThere(join(root, path));
    if (stat === undefined) continue;
    if (!stat.isFile()) return undefined;
    size += stat.size;
  }
  return size;
}

function lstatIfThere(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // Below a file.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}
