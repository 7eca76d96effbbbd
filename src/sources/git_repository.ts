/** Bare repositories in the store, one for each remote, and fetching commits into them (BuildKit v0.32.2, source/git). */
import { existsSync, utimesSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CairnError, redact } from '../errors/error.ts';
import { digestOf } from '../llb/digest.ts';
import type { Store } from '../store/contract.ts';
import { lockFile } from './file_lock.ts';
import { GitError, type Git } from './git_command.ts';
import { defaultBranch, gitFailure, mismatch, type GitCommit } from './git_refs.ts';
import { isCommit, type GitOptions } from './git_remote.ts';

export interface FetchedCommit {
  git: Git;
  gitDir: string;
  /** Name in the repository of what was asked for: a branch, a tag, a commit. */
  ref: string;
  /** What to check out: `ref`, or the commit where no name was written. */
  target: string;
}

/** In the store. */
export const GIT_FOLDER = 'git';

/** A repository and its lock, whose time of change is when the repository was last used. */
export function gitRepositoryPaths(store: Store, name: string): { gitDir: string; lock: string } {
  return { gitDir: store.path(GIT_FOLDER, name), lock: store.path(GIT_FOLDER, `${name}.lock`) };
}

/**
 * Runs `use` with the remote's repository, which has the commit then; other builds of this remote wait meanwhile.
 * @throws CairnError; GitError
 */
export async function withFetchedCommit<T>(
  store: Store,
  remoteGit: Git,
  options: GitOptions,
  commit: GitCommit,
  signal: AbortSignal,
  use: (fetched: FetchedCommit) => Promise<T>,
): Promise<T> {
  const name = digestOf(`${options.remote} ${commit.object.length}`).slice('sha256:'.length);
  const { gitDir, lock } = gitRepositoryPaths(store, name);
  const release = await lockFile(lock, signal);
  try {
    const now = new Date();
    utimesSync(lock, now, now);
    let fetched: FetchedCommit;
    try {
      fetched = await fetchCommit(store, remoteGit, gitDir, options, commit);
    } catch (error) {
      if (!(error instanceof CairnError) || !isStale(error)) throw error;
      // A tag moved, or a branch became the parent of another: only a new repository can have the new state.
      await rm(gitDir, { recursive: true, force: true });
      fetched = await fetchCommit(store, remoteGit, gitDir, options, commit);
    }
    await checkCommit(fetched, options);
    return await use(fetched);
  } finally {
    release();
  }
}

function isStale(error: CairnError): boolean {
  const text = error.message;
  if (text.includes('rejected') && text.includes('(would clobber existing tag)')) return true;
  return (
    text.includes('some local refs could not be updated;') &&
    /\(unable to update local ref\)|refname conflict/.test(text)
  );
}

/** A repository that is there is whole: it was made under another name. */
async function openRepository(store: Store, git: Git, gitDir: string, options: GitOptions, sha256: boolean) {
  if (existsSync(gitDir)) return;
  const fresh = store.tempPath('.git');
  await mkdir(fresh, { recursive: true });
  const making = git.at({ gitDir: fresh });
  const format = sha256 ? ['--object-format=sha256'] : [];
  await making.run('-c', 'init.defaultBranch=master', 'init', '--bare', ...format);
  await making.run('remote', 'add', 'origin', options.remote);
  await rename(fresh, gitDir);
}

async function has(git: Git, object: string): Promise<boolean> {
  try {
    await git.run('cat-file', '-e', object);
    return true;
  } catch (error) {
    if (error instanceof GitError) return false;
    throw error;
  }
}

async function fetchCommit(
  store: Store,
  remoteGit: Git,
  gitDir: string,
  options: GitOptions,
  commit: GitCommit,
): Promise<FetchedCommit> {
  await openRepository(store, remoteGit, gitDir, options, commit.object.length === 64);
  const git = remoteGit.at({ gitDir });
  const byCommit = options.fetchByCommit && options.checksum !== '';
  const ref = await refOf(git, options);
  const wanted = byCommit ? options.checksum : ref;
  const target = wanted;
  const fetched: FetchedCommit = { git, gitDir, ref, target };
  if (isCommit(wanted) && (await has(git, `${wanted}^{commit}`))) return fetched;
  // A lock of a git that was killed; ours is the only one that runs here.
  await rm(join(gitDir, 'shallow.lock'), { force: true });
  const unshallow = (): string[] => (existsSync(join(gitDir, 'shallow')) ? ['--unshallow'] : []);
  const fetch = async (...args: string[]): Promise<void> => {
    try {
      await git.run('fetch', ...args);
    } catch (error) {
      throw gitFailure(`failed to fetch remote ${redact(options.remote)}`, error);
    }
  };
  // A name under refs/tags is advertised by later fetches from this repository.
  const name = ref.startsWith('refs/tags/') ? ref : `tags/${ref}`;
  if (!isCommit(ref)) {
    await fetch('--depth=1', '--no-tags', 'origin', '--force', '--', `${wanted}:${name}`);
  } else if (!(await fetchShallow(git, options, ref))) {
    await fetch('--tags', ...unshallow(), 'origin', ref);
  }
  const actual = (await git.run('rev-parse', wanted)).trim();
  if (actual === commit.object) return fetched;
  // The remote has changed since it was asked; the commit that the key names may still be had.
  if (!(await has(git, commit.object))) {
    await fetch('--tags', ...unshallow(), 'origin', commit.object);
    await git.run('reflog', 'expire', '--all', '--expire=now');
    if (!(await has(git, commit.object))) {
      throw new CairnError(
        `fetched ref ${ref} does not match expected commit ${commit.object} and commit can not be found in the repository`,
        { code: 'CORRUPT' },
      );
    }
  }
  const full = name.startsWith('refs/') ? name : `refs/${name}`;
  await git.run('update-ref', full, commit.object, '--no-deref');
  return fetched;
}

async function refOf(git: Git, options: GitOptions): Promise<string> {
  if (options.ref !== '') return options.ref;
  if (options.fetchByCommit) return options.checksum;
  return defaultBranch(git, options.remote);
}

/**
 * A commit alone, where the server gives out single commits. With a .git directory in the result its tags are to be
 * there too, so then the whole history is fetched.
 */
async function fetchShallow(git: Git, options: GitOptions, commit: string): Promise<boolean> {
  if (options.keepGitDir) return false;
  try {
    await git.run('fetch', '--depth=1', '--no-tags', 'origin', '--', commit);
    return await has(git, `${commit}^{commit}`);
  } catch (error) {
    if (error instanceof GitError) return false;
    throw error;
  }
}

/** Compares what was fetched with the checksum of the op; for an annotated tag either object may be meant. */
async function checkCommit({ git, target }: FetchedCommit, options: GitOptions): Promise<void> {
  if (options.checksum === '') return;
  const actual = (await git.run('rev-parse', target)).trim();
  if (actual.startsWith(options.checksum)) return;
  const peeled = (await git.run('rev-parse', `${target}^{}`)).trim();
  if (peeled === actual) throw mismatch(options.checksum, actual);
  if (!peeled.startsWith(options.checksum)) {
    throw mismatch(options.checksum, `${actual} or ${peeled}`);
  }
}
