/** Writing a fetched commit's files into a directory (BuildKit v0.32.2, source/git, checkout). */
import { randomUUID } from 'node:crypto';
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { lutimes, mkdtemp, rename, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { CairnError, redact } from '../errors/error.ts';
import type { Git } from './git_command.ts';
import { gitFailure } from './git_refs.ts';
import { isCommit, type GitOptions } from './git_remote.ts';
import type { FetchedCommit } from './git_repository.ts';

/** Checks out into `root`, an empty directory. */
export async function checkout(fetched: FetchedCommit, options: GitOptions, root: string): Promise<void> {
  const { git, gitDir, target } = fetched;
  const whole = options.subdir === '';
  let files = root;
  let work: Git;
  if (options.keepGitDir && whole) {
    work = await clone(fetched, options, root);
  } else {
    if (!whole) files = await mkdtemp(join(root, 'checkout'));
    work = git.at({ gitDir, workTree: files });
    try {
      await work.run('checkout', '--no-overlay', target, '--', '.');
    } catch (error) {
      throw gitFailure(`failed to checkout remote ${redact(options.remote)}`, error);
    }
  }
  // Without the file there is nothing to update, and the command is slow.
  if (!options.skipSubmodules && existsSync(join(files, '.gitmodules'))) {
    try {
      await work.run('submodule', 'update', '--init', '--recursive', '--depth=1');
    } catch (error) {
      throw gitFailure(`failed to update submodules for ${redact(options.remote)}`, error);
    }
  }
  if (!whole) await liftSubdirectory(root, files, options.subdir);
  if (options.mtime === 'commit') {
    await setTimes(root, await commitTime(git, target));
  }
}

/** A repository of its own with one commit in `root`; nothing in it tells where it came from on this machine. */
async function clone(
  { git, gitDir, ref, target }: FetchedCommit,
  options: GitOptions,
  root: string,
): Promise<Git> {
  const place = { gitDir: join(root, '.git'), workTree: root };
  const work = git.at(place);
  const remote = redact(options.remote);
  const format = target.length === 64 && isCommit(target) ? ['--object-format=sha256'] : [];
  await work.run('-c', 'init.defaultBranch=master', 'init', ...format);
  // The file protocol turns the optimisations of local clones off, which have been used to copy files of the host.
  await work.run('remote', 'add', 'origin', `file://${gitDir}`);
  const isTag = (await git.run('cat-file', '-t', target)).trim() === 'tag';
  let refspec: string;
  if (isTag) {
    refspec = `${ref}:${ref.startsWith('refs/tags/') ? ref : `refs/tags/${ref}`}`;
  } else if (target !== ref) {
    refspec = `${target}:${ref}`;
  } else if (isCommit(ref)) {
    refspec = `refs/buildkit/${randomUUID()}`;
    await git.run('update-ref', refspec, ref);
  } else {
    refspec = `${ref}:${ref}`;
  }
  await work.run('fetch', '-u', '--depth=1', '--', 'origin', refspec);
  try {
    await work.run('checkout', 'FETCH_HEAD');
  } catch (error) {
    throw gitFailure(`failed to checkout remote ${remote}`, error);
  }
  await work.run('remote', 'set-url', 'origin', remote);
  await work.run('reflog', 'expire', '--all', '--expire=now');
  await rm(join(place.gitDir, 'FETCH_HEAD'), { force: true });
  return work;
}

/** Moves what is in the subdirectory to the top. Its path must not lead through links, which could lead anywhere. */
async function liftSubdirectory(root: string, files: string, subdir: string): Promise<void> {
  let path = '';
  for (const part of posix.normalize(subdir).split('/')) {
    path = path === '' ? part : `${path}/${part}`;
    const stat = lstatSync(join(files, path), { throwIfNoEntry: false });
    if (stat === undefined) {
      throw new CairnError(
        `invalid subdir ${subdir}: failed to lstat "${path}": statat ${path}: no such file or directory`,
        {
          code: 'NOT_FOUND',
        },
      );
    }
    if (!stat.isDirectory()) {
      throw new CairnError(
        `invalid subdir ${subdir}: git subpath "${subdir}" contains non-directory "${path}"`,
        { code: 'SOLVE' },
      );
    }
  }
  const from = join(files, path);
  for (const name of readdirSync(from)) {
    const to = join(root, name);
    // A file of the repository may have the name of our temporary directory only by a chance of one in billions.
    await rename(join(from, name), to);
  }
  await rm(files, { recursive: true, force: true });
}

/** Seconds since the epoch at which the commit was committed; tags are peeled. */
export async function commitTime(git: Git, target: string): Promise<number> {
  const text = (await git.run('log', '-1', '--format=%ct', `${target}^{commit}`)).trim();
  if (!/^\d+$/.test(text)) {
    throw new CairnError(`failed to parse commit timestamp "${text}"`, { code: 'CORRUPT' });
  }
  return Number(text);
}

/** Gives everything below `path`, then `path` itself, one time. */
async function setTimes(path: string, seconds: number): Promise<void> {
  if (lstatSync(path).isDirectory()) {
    for (const name of readdirSync(path)) await setTimes(join(path, name), seconds);
  }
  await lutimes(path, seconds, seconds);
}
