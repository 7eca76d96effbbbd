import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { CairnError } from '../errors/error.ts';

export interface RootOptions {
  /** Value of `--root`. */
  flag?: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
  uid: number;
}

/**
 * The store directory: `--root`, else `CAIRN_ROOT`, else `/var/lib/cairn` for root and
 * `$XDG_DATA_HOME/cairn` (`~/.local/share/cairn`) for everybody else, as dockerd, buildkitd and buildah choose
 * theirs. Root ignores XDG_DATA_HOME, so that `sudo` with a kept environment does not write into a user's home.
 *
 * @throws CairnError USAGE when CAIRN_ROOT is set but relative: it would name another store in each directory
 */
export function storeRoot(options: RootOptions): string {
  const { flag, env, uid } = options;
  if (flag !== undefined && flag !== '') return resolve(flag);
  const fromEnv = env['CAIRN_ROOT'];
  if (fromEnv !== undefined && fromEnv !== '') {
    if (!isAbsolute(fromEnv)) {
      throw new CairnError(`CAIRN_ROOT is not an absolute path: "${fromEnv}"`, {
        code: 'USAGE',
        hint: `set it to "${resolve(fromEnv)}", or use --root`,
      });
    }
    return resolve(fromEnv);
  }
  if (uid === 0) return '/var/lib/cairn';
  const data = env['XDG_DATA_HOME'];
  // The XDG base directory specification says that relative values are to be ignored.
  if (data !== undefined && isAbsolute(data)) return join(data, 'cairn');
  return join(env['HOME'] ?? homedir(), '.local', 'share', 'cairn');
}
