/** Finding the commit that a reference names, by asking the remote (BuildKit v0.32.2, source/git, resolveMetadata). */
import { CairnError, redact } from '../errors/error.ts';
import { GitError, type Git } from './git_command.ts';
import { isCommit, type GitOptions } from './git_remote.ts';

export interface GitCommit {
  /** Full name of the branch or tag, or the commit itself. */
  ref: string;
  /** What the reference points to: a commit, or the object of an annotated tag. */
  object: string;
  /** The commit that an annotated tag points to. */
  commit?: string;
}

/** Adds what was being done to git's own words. */
export function gitFailure(what: string, error: unknown): unknown {
  if (!(error instanceof GitError)) return error;
  return new CairnError(`${what}: ${error.message}`, { code: error.code, hint: error.hint, cause: error });
}

/** What can be said without asking the remote: a reference that is a commit, or one with its commit beside it. */
export function knownCommit(options: GitOptions): GitCommit | undefined {
  const { ref, checksum } = options;
  if (isCommit(ref)) {
    if (!ref.startsWith(checksum)) throw mismatch(checksum, ref);
    return { ref, object: ref };
  }
  if (!options.fetchByCommit) return undefined;
  if (checksum === '') {
    throw new CairnError('fetch-by-commit requires a checksum or a commit SHA ref', { code: 'SOLVE' });
  }
  if (!isCommit(checksum)) {
    throw new CairnError(`fetch-by-commit requires a full commit SHA checksum, got "${checksum}"`, {
      code: 'SOLVE',
    });
  }
  if (ref === '') return { ref: checksum, object: checksum };
  return { ref: ref.startsWith('refs/') ? ref : `refs/heads/${ref}`, object: checksum };
}

export function mismatch(checksum: string, actual: string): CairnError {
  return new CairnError(`expected checksum to match ${checksum}, got ${actual}`, { code: 'CORRUPT' });
}

/** Name of the branch that HEAD of the remote is. */
export async function defaultBranch(git: Git, remote: string): Promise<string> {
  const shown = redact(remote);
  let output: string;
  try {
    output = await git.run('ls-remote', '--symref', '--', remote, 'HEAD');
  } catch (error) {
    throw gitFailure(`error fetching default branch for repository ${shown}`, error);
  }
  const branch = /refs\/heads\/(\S+)/.exec(output)?.[1];
  if (branch === undefined || branch.startsWith('-')) {
    throw new CairnError(`could not find default branch for repository: ${shown}`, { code: 'NOT_FOUND' });
  }
  return branch;
}

/** Asks the remote. A branch wins over a tag of the same name, as in git itself. */
export async function remoteCommit(git: Git, options: GitOptions): Promise<GitCommit> {
  const { remote, checksum } = options;
  const ref = options.ref === '' ? await defaultBranch(git, remote) : options.ref;
  let output: string;
  try {
    output = await git.run('ls-remote', '--', remote, ref, `${ref}^{}`);
  } catch (error) {
    throw gitFailure(`failed to fetch remote ${redact(remote)}`, error);
  }
  const lines = new Map<string, string>();
  for (const line of output.split('\n')) {
    const [object = '', name = ''] = line.split('\t');
    lines.set(name, object);
  }
  const exact = `refs/${ref.replace(/^refs\//, '')}`;
  const head = `refs/heads/${ref.replace(/^refs\/heads\//, '')}`;
  const tag = `refs/tags/${ref.replace(/^refs\/tags\//, '')}`;
  // With a full name `exact` is the branch's or the tag's own.
  const names = exact === tag ? [head, tag] : exact === head ? [head] : [exact, head, tag];
  const found = names.find((name) => lines.has(name));
  const object = found === undefined ? undefined : lines.get(found);
  if (found === undefined || object === undefined) {
    throw new CairnError(
      `repository does not contain ref ${ref}, output: ${JSON.stringify(redact(output).slice(0, 1000))}`,
      { code: 'NOT_FOUND' },
    );
  }
  if (!isCommit(object)) throw new CairnError(`invalid commit sha "${object}"`, { code: 'CORRUPT' });
  const commit = found === tag ? lines.get(`${tag}^{}`) : undefined;
  if (!object.startsWith(checksum) && commit?.startsWith(checksum) !== true) {
    throw mismatch(checksum, commit === undefined ? object : ` or ${commit}`);
  }
  return {
    ref: found,
    object,
    ...(commit === undefined || options.keepGitDir ? {} : { commit }),
  };
}
