/** `git://`: a commit's files, keyed by the commit (BuildKit v0.32.2, source/git). */
import { redact } from '../errors/error.ts';
import type { Snapshot } from '../snapshots/contract.ts';
import type { Attrs } from './attrs.ts';
import type { Source, SourceContext } from './contract.ts';
import { withGitAccess } from './git_access.ts';
import { checkout, commitTime } from './git_checkout.ts';
import { Git, type GitAccess } from './git_command.ts';
import { knownCommit, remoteCommit, type GitCommit } from './git_refs.ts';
import { gitKey, gitOptions, isCommit, type GitOptions } from './git_remote.ts';
import { withFetchedCommit, type FetchedCommit } from './git_repository.ts';
import type { SourceServices } from './services.ts';
import { writeLayer } from './tree_root.ts';

/** What references of remotes named when this build first asked. */
export type GitCommits = Map<string, Promise<GitCommit>>;

export interface GitSource extends Source {
  /** When the commit was committed, in seconds since the epoch. Fetches it. */
  committed(context: SourceContext): Promise<number>;
}

export function gitSource(
  rest: string,
  attrs: Attrs,
  services: SourceServices,
  commits: GitCommits,
): GitSource {
  const options = gitOptions(rest, attrs);
  return {
    async key(_index, context) {
      const commit = await find(options, services, commits, context);
      return { key: keyOf(options, commit), done: true, pin: commit.object };
    },
    async snapshot(context) {
      const commit = await find(options, services, commits, context);
      return (
        known(options, services, commit) ??
        (await fetched(options, services, commit, context, (repository) =>
          // Another process may have made it while this one waited for the repository.
          Promise.resolve(known(options, services, commit)).then(
            (snapshot) => snapshot ?? write(options, services, commit, repository, context),
          ),
        ))
      );
    },
    async committed(context) {
      const commit = await find(options, services, commits, context);
      return fetched(options, services, commit, context, ({ git, target }) => commitTime(git, target));
    },
  };
}

function keyOf(options: GitOptions, commit: GitCommit): string {
  return isCommit(commit.ref)
    ? gitKey(options, commit.ref, commit.ref)
    : gitKey(options, commit.commit ?? commit.object, commit.ref);
}

/** The commit that the reference names: asked for once in a build. */
function find(
  options: GitOptions,
  services: SourceServices,
  commits: GitCommits,
  context: SourceContext,
): Promise<GitCommit> {
  const { remote, ref, checksum, keepGitDir } = options;
  const key = JSON.stringify([remote, ref, checksum, keepGitDir, options.fetchByCommit]);
  let commit = commits.get(key);
  if (commit === undefined) {
    commit = (async () =>
      knownCommit(options) ??
      (await withGitAccess(options, services, (access) =>
        remoteCommit(new Git(access, {}, context), options),
      )))();
    commits.set(key, commit);
    commit.catch(() => commits.delete(key));
  }
  return commit;
}

function snapshotKey(options: GitOptions, commit: GitCommit): string {
  return `${keyOf(options, commit)}:${options.subdir}`;
}

/** The checkout of an earlier build. */
function known(options: GitOptions, services: SourceServices, commit: GitCommit): Snapshot | undefined {
  const { store, snapshots } = services;
  const row = store.db
    .prepare('SELECT snapshot FROM source_git WHERE key = ?')
    .get(snapshotKey(options, commit)) as { snapshot: string } | undefined;
  const snapshot = row === undefined ? undefined : snapshots.get(row.snapshot);
  if (snapshot === undefined || !snapshots.usable(snapshot)) return undefined;
  snapshots.touch(snapshot.id);
  return snapshot;
}

function fetched<T>(
  options: GitOptions,
  services: SourceServices,
  commit: GitCommit,
  context: SourceContext,
  use: (repository: FetchedCommit) => Promise<T>,
): Promise<T> {
  return withGitAccess(options, services, (access: GitAccess) =>
    withFetchedCommit(services.store, new Git(access, {}, context), options, commit, context.signal, use),
  );
}

async function write(
  options: GitOptions,
  services: SourceServices,
  commit: GitCommit,
  repository: FetchedCommit,
  context: SourceContext,
): Promise<Snapshot> {
  const { snapshots, store } = services;
  const description = `git snapshot for ${redact(options.remote)}#${options.ref}`;
  const active = await snapshots.prepare(
    undefined,
    { description, type: 'source.git.checkout' },
    context.progress,
  );
  const { snapshot } = await writeLayer(active, async (root) => ({
    result: await checkout(repository, options, root),
  }));
  store.db
    .prepare('INSERT OR REPLACE INTO source_git VALUES (?, ?)')
    .run(snapshotKey(options, commit), snapshot.id);
  return snapshot;
}
