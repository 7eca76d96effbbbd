/** `local://NAME`: a directory of the client's, used in place (BuildKit v0.32.2, source/local). */
import { statSync } from 'node:fs';
import { CairnError } from '../errors/error.ts';
import { digestOf } from '../llb/digest.ts';
import { goJson } from '../llb/go_json.ts';
import type { HostTree } from '../snapshots/contract.ts';
import { listAttr, refuseAttrs, type Attrs } from './attrs.ts';
import type { ContextSource, Source } from './contract.ts';

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
    snapshot() {
      try {
        const root = directoryOf(name, client);
        const tree: Omit<HostTree, 'id'> = {
          kind: 'host',
          root,
          includePatterns: includePatterns ?? [],
          excludePatterns: excludePatterns ?? [],
          followPaths: followPaths ?? [],
        };
        return Promise.resolve({ ...tree, id: digestOf(goJson(tree)) });
      } catch (error) {
        return Promise.reject(error as Error);
      }
    },
  };
}
