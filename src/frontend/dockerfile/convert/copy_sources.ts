/** Sources of COPY and ADD: paths, URLs, git repositories, heredocs. */
import { internalName } from '../../../llb/builder/constraints.ts';
import { file } from '../../../llb/builder/file.ts';
import type { CopyStep } from '../../../llb/builder/file_action.ts';
import { joinPath } from '../../../llb/builder/path.ts';
import { httpSource } from '../../../llb/builder/source.ts';
import { State } from '../../../llb/builder/state.ts';
import { parseDigest } from '../../../llb/reference.ts';
import { gitState, parseGitRef, type GitRef } from '../context/git_ref.ts';
import type { HeredocSource } from '../instructions/types.ts';
import { DockerfileError, wrapError } from '../parser/error.ts';
import { encodeText } from '../text/bytes.ts';
import { parseGoUrl } from '../text/go_url.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import type { CopyRequest } from './copy.ts';
import { lintIgnoredSource } from './lint_commands.ts';
import { normalizePath, toSlash, withoutDrive } from './os_path.ts';
import { baseName } from './run_mounts.ts';

/** Flags that a git address may set for itself and the sources after it. */
export interface GitFlags {
  keepGitDir: boolean | undefined;
  checksum: string;
}

/** A git address in the strict form: one that cannot be a local path. @throws DockerfileError */
function gitAddress(source: string): GitRef | undefined {
  const git = parseGitRef(source);
  return git === undefined || git.looksLocal ? undefined : git;
}

/** Whether ADD takes it for a git repository; not when its query is wrong. */
export function isGitSource(source: string): boolean {
  try {
    return parseGitRef(source) !== undefined;
  } catch {
    return false;
  }
}

/** Whether ADD downloads it as a file. */
export function isHttpSource(source: string): boolean {
  return /^https?:\/\//.test(source) && !isGitSource(source);
}

/**
 * The copy of a git repository or URL; undefined: it is a path.
 * @throws DockerfileError for a remote source of COPY, and for flags that contradict the address
 */
export function remoteSource(request: CopyRequest, source: string, flags: GitFlags): CopyStep | undefined {
  const git = gitAddress(source);
  if (git !== undefined) return gitCopy(request, git, flags);
  return isHttpSource(source) ? httpCopy(request, source, flags.checksum) : undefined;
}

function gitCopy(request: CopyRequest, git: GitRef, flags: GitFlags): CopyStep {
  const { command, name } = request;
  if (command.kind === 'copy') throw new DockerfileError("source can't be a git ref for COPY");
  if (flags.keepGitDir !== undefined && git.keepGitDir !== undefined && flags.keepGitDir !== git.keepGitDir) {
    throw new DockerfileError('inconsistent keep-git-dir configuration');
  }
  flags.keepGitDir = git.keepGitDir ?? flags.keepGitDir;
  if (flags.checksum !== '' && git.checksum !== '' && flags.checksum !== git.checksum) {
    throw new DockerfileError(`checksum mismatch ${goQuote(flags.checksum)} != ${goQuote(git.checksum)}`);
  }
  if (git.checksum !== '') flags.checksum = git.checksum;
  const state = gitState(
    // ADD has no say in file times.
    { ...git, keepGitDir: undefined, mtime: '' },
    { customName: name, keepGitDir: flags.keepGitDir === true, checksum: flags.checksum },
  );
  return remoteCopy(request, state, '/', false);
}

function httpCopy(request: CopyRequest, url: string, checksumText: string): CopyStep {
  const { command, name } = request;
  if (command.kind === 'copy') throw new DockerfileError("source can't be a URL for COPY");
  const filename = httpFilename(url);
  const state = httpSource(url, {
    filename,
    checksum: checksumText === '' ? '' : parseDigest(checksumText),
    customName: name,
    description: { 'com.docker.dockerfile.v1.command': '' },
  });
  return remoteCopy(request, state, filename, command.unpack === true);
}

/** Name of a downloaded file: the last element of the URL's path. */
export function httpFilename(url: string): string {
  const base = baseName(parseGoUrl(url)?.path ?? '');
  return base === '.' || base === '/' ? '__unnamed__' : base;
}

function remoteCopy(request: CopyRequest, source: State, src: string, attemptUnpack: boolean): CopyStep {
  return {
    kind: 'copy',
    source,
    src,
    dest: request.dest,
    mode: request.mode,
    owner: request.owner,
    excludePatterns: request.command.excludePatterns,
    createDestPath: true,
    attemptUnpack,
  };
}

/** The copy of a path or pattern in the build context or another stage. */
export function pathSource(request: CopyRequest, written: string): CopyStep {
  const { command, stage, conversion } = request;
  const os = stage.platform?.OS ?? '';
  lintIgnoredSource(
    command.kind === 'add' ? 'Add' : 'Copy',
    written,
    request.fromContext ? conversion.ignoreMatcher : undefined,
    command.location,
    conversion.lint,
  );
  const { src, ...patterns } =
    command.kind === 'copy' && command.parents ? splitParents(written, os) : { src: written };
  const unpack = command.kind === 'add' ? (command.unpack ?? true) : false;
  return {
    kind: 'copy',
    source: request.files,
    src: sourcePath(src, os),
    dest: request.dest,
    mode: request.mode,
    owner: request.owner,
    excludePatterns: command.excludePatterns,
    ...patterns,
    followSymlink: true,
    dirCopyContents: true,
    attemptUnpack: unpack,
    createDestPath: true,
    allowWildcard: true,
    allowEmptyWildcard: true,
  };
}

/**
 * --parents: directories before `/./` are left out of the destination, those after it kept. What has no wildcard
 * must be there.
 */
function splitParents(
  written: string,
  os: string,
): { src: string; includePatterns: string[]; requiredPaths: string[] } {
  const pivot = written.indexOf('/./');
  const src = pivot === -1 ? '/' : written.slice(0, pivot);
  const pattern = sourcePath(pivot === -1 ? written : written.slice(pivot + 3), os);
  const fixed = !hasWildcards(src) && !hasWildcards(pattern);
  return {
    src,
    includePatterns: [pattern.replace(/^\//, '')],
    requiredPaths: fixed ? [sourcePath(joinPath(src, pattern), os)] : [],
  };
}

function hasWildcards(path: string): boolean {
  return /[*?[]/.test(path.replace(/\\./gs, ''));
}

/** @throws DockerfileError for a Windows path on another drive, with the two prefixes that BuildKit gives it */
function sourcePath(path: string, os: string): string {
  try {
    return normalizePath('/', path, os, false);
  } catch (error) {
    throw wrapError(error, 'removing drive letter');
  }
}

/** The copy of a heredoc as a file of its delimiter's name. */
export function heredocSource(request: CopyRequest, content: HeredocSource): CopyStep {
  const { stage, command } = request;
  const os = stage.platform?.OS ?? '';
  const path = withoutDrive(content.path, os, false);
  const source = file(
    State.scratch(),
    [{ kind: 'mkfile', path, mode: 0o644, data: encodeText(content.data) }],
    { customName: internalName('preparing inline document'), platform: stage.platform },
  );
  return {
    kind: 'copy',
    source,
    src: toSlash(path, os),
    dest: request.dest,
    mode: request.mode,
    owner: request.owner,
    excludePatterns: command.excludePatterns,
    createDestPath: true,
  };
}
