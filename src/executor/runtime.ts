/** Which program runs the containers. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { basename, delimiter, isAbsolute, join } from 'node:path';
import { CairnError } from '../errors/error.ts';
import type { Executor } from './contract.ts';

export type Runtime = Executor['runtime'];

/** In order of preference: README.md has the measurements. */
const CANDIDATES: readonly { program: string; name: Runtime['name'] }[] = [
  { program: 'crun', name: 'crun' },
  { program: 'buildkit-runc', name: 'runc' },
  { program: 'runc', name: 'runc' },
  { program: 'unshare', name: 'unshare' },
];

/** What a runtime's own process gets; nothing of the caller's. */
export const PLAIN_ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };

/** Where runtimes of a distribution are, also for users whose PATH has no sbin. */
const USUAL_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * Finds the runtime: `CAIRN_RUNTIME` (a name or an absolute path), else the first of crun, buildkit-runc, runc
 * and unshare that is installed.
 * @throws CairnError NOT_FOUND when there is none, USAGE when CAIRN_RUNTIME names none
 */
export function findRuntime(env: Readonly<Record<string, string | undefined>>): Runtime {
  const wanted = env['CAIRN_RUNTIME'] ?? '';
  if (wanted !== '') {
    const name = kindOf(wanted);
    const path = isAbsolute(wanted) ? executable(wanted) : inPath(wanted, env['PATH']);
    if (path === undefined || name === undefined) {
      throw new CairnError(`CAIRN_RUNTIME: no runtime "${wanted}"`, {
        code: 'USAGE',
        hint: 'Use runc, crun, unshare, or the absolute path of a program with one of these names.',
      });
    }
    return { name, path };
  }
  for (const { program, name } of CANDIDATES) {
    const path = inPath(program, env['PATH']);
    if (path !== undefined) return { name, path };
  }
  throw new CairnError('no program that runs containers was found', {
    code: 'NOT_FOUND',
    hint: 'Install runc or crun; RUN needs one of them (or unshare of util-linux).',
  });
}

function kindOf(program: string): Runtime['name'] | undefined {
  const name = basename(program);
  return (['runc', 'crun', 'unshare'] as const).find((kind) => name === kind || name.endsWith(`-${kind}`));
}

function inPath(program: string, path: string | undefined): string | undefined {
  const directories = [...(path ?? '').split(delimiter).filter(isAbsolute), ...USUAL_DIRECTORIES];
  for (const directory of directories) {
    const found = executable(join(directory, program));
    if (found !== undefined) return found;
  }
  return undefined;
}

function executable(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile() && !isBusybox(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

/** Busybox's unshare knows neither --kill-child nor --root. */
function isBusybox(path: string): boolean {
  return basename(realpathSync(path)).startsWith('busybox');
}
