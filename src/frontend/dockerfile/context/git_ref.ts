/**
 * Git addresses as contexts and ADD sources write them: URL or scp form, `#ref:subdir`, and query parameters
 * (BuildKit v0.32.2, packages frontend/dockerfile/dfgitutil and util/gitutil).
 */
import { gitSource } from '../../../llb/builder/source.ts';
import type { GitOptions, GitRemote } from '../../../llb/builder/source.ts';
import type { State } from '../../../llb/builder/state.ts';
import { joinPath } from '../../../llb/builder/path.ts';
import { DockerfileError } from '../parser/error.ts';
import { parseGoUrl, unescapePercent } from '../text/go_url.ts';
import { parseGoBool } from '../text/numbers.ts';
import { goQuote } from '../../../errors/go_quote.ts';

export interface GitRef {
  /** What git fetches from, without reference and directory. */
  remote: GitRemote;
  /** `github.com/foo/bar` may also be a local path: only a build context may be written so. */
  looksLocal: boolean;
  /** Empty: the default branch. */
  ref: string;
  /** Empty: the root. */
  subdir: string;
  /** Commit that the reference must have; empty: any. */
  checksum: string;
  keepGitDir: boolean | undefined;
  submodules: boolean | undefined;
  /** `checkout`, `commit`, or empty. */
  mtime: string;
  fetchByCommit: boolean;
}

interface ParsedUrl {
  remote: GitRemote;
  query: [string, string][];
  fragment: string;
}

const PROTOCOL = /^([a-zA-Z0-9]+):\/\//;
const GIT_PROTOCOLS = new Set(['http', 'https', 'ssh', 'git']);
const SCP_FORM = /^([a-zA-Z0-9_-]+)@([a-zA-Z0-9.-]+):(.*?)(?:\?(.*?))?(?:#(.*))?$/;
/**
 * The git repository that `text` names; undefined: it is something else, a path or a plain URL.
 * @throws DockerfileError for a git address with query parameters that are wrong
 */
export function parseGitRef(text: string): GitRef | undefined {
  if (text.startsWith('./') || text.startsWith('../')) return undefined;
  const looksLocal = text.startsWith('github.com/');
  const parsed = parseAddress(looksLocal ? `https://${text}` : text);
  if (parsed === undefined) return undefined;
  const { remote, query, fragment } = parsed;
  if (!looksLocal && /^https?$/.test(remote.scheme) && !remote.path.endsWith('.git')) return undefined;
  const [ref = '', ...rest] = fragment.split(':');
  const result: GitRef = {
    remote,
    looksLocal,
    ref,
    subdir: fragment === '' ? '' : joinPath('/', rest.join(':')).slice(1),
    checksum: '',
    keepGitDir: undefined,
    submodules: undefined,
    mtime: '',
    fetchByCommit: false,
  };
  applyQuery(result, query);
  return result;
}

function parseAddress(text: string): ParsedUrl | undefined {
  const protocol = PROTOCOL.exec(text);
  if (protocol !== null) {
    return GIT_PROTOCOLS.has((protocol[1] ?? '').toLowerCase()) ? parseUrl(text) : undefined;
  }
  const scp = SCP_FORM.exec(text);
  if (scp === null) return undefined;
  const [, user = '', host = '', path = '', query = '', fragment = ''] = scp;
  const pairs = parseQuery(query);
  if (pairs === undefined) return undefined;
  return { remote: { remote: `${user}@${host}:${path}`, scheme: 'ssh', host, path }, query: pairs, fragment };
}

function parseUrl(text: string): ParsedUrl | undefined {
  const url = parseGoUrl(text);
  if (url === undefined) return undefined;
  const { scheme, host, path, query, fragment, address } = url;
  // A malformed pair is left out, as net/url's Query does.
  return { remote: { remote: address, scheme, host, path }, query: parseQuery(query, true) ?? [], fragment };
}

function parseQuery(text: string, lenient = false): [string, string][] | undefined {
  const pairs: [string, string][] = [];
  for (const part of text.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const key = unescapePercent((equals === -1 ? part : part.slice(0, equals)).replaceAll('+', ' '));
    const value = unescapePercent((equals === -1 ? '' : part.slice(equals + 1)).replaceAll('+', ' '));
    if (key === undefined || value === undefined || part.includes(';')) {
      if (lenient) continue;
      return undefined;
    }
    pairs.push([key, value]);
  }
  return pairs;
}

function applyQuery(git: GitRef, query: readonly [string, string][]): void {
  let tag = '';
  let branch = '';
  const seen = new Set<string>();
  for (const [key, value] of query) {
    if (seen.has(key)) throw new DockerfileError(`query ${goQuote(key)} has multiple values`);
    seen.add(key);
    const flag = (): boolean => parseFlag(key, value);
    if (value === '' && !['submodules', 'keep-git-dir', 'fetch-by-commit'].includes(key)) {
      throw new DockerfileError(`query ${goQuote(key)} has no value`);
    }
    switch (key) {
      case 'ref':
        git.ref = agree('ref', git.ref, value);
        break;
      case 'tag':
        tag = value;
        break;
      case 'branch':
        branch = value;
        break;
      case 'subdir':
        git.subdir = agree('subdir', git.subdir, value);
        break;
      case 'checksum':
      case 'commit':
        git.checksum = value;
        break;
      case 'keep-git-dir':
        git.keepGitDir = flag();
        break;
      case 'submodules':
        git.submodules = flag();
        break;
      case 'mtime':
        if (value !== 'checkout' && value !== 'commit') {
          throw new DockerfileError(
            `invalid mtime value: ${goQuote(value)} (must be "checkout" or "commit")`,
          );
        }
        git.mtime = value;
        break;
      case 'fetch-by-commit':
        git.fetchByCommit = flag();
        break;
      default:
        throw new DockerfileError(`unexpected query ${goQuote(key)}`);
    }
  }
  if (tag !== '') git.ref = agree('ref', git.ref, prefixed('refs/tags/', tag));
  if (branch !== '') {
    if (tag !== '') throw new DockerfileError('branch conflicts with tag');
    git.ref = agree('ref', git.ref, prefixed('refs/heads/', branch));
  }
}

function parseFlag(key: string, value: string): boolean {
  if (value === '') return true;
  const flag = parseGoBool(value);
  if (flag === undefined) throw new DockerfileError(`invalid ${key} value: ${goQuote(value)}`);
  return flag;
}

function agree(what: string, known: string, value: string): string {
  if (known !== '' && known !== value) {
    throw new DockerfileError(`${what} conflicts: ${goQuote(known)} vs ${goQuote(value)}`);
  }
  return value;
}

function prefixed(prefix: string, name: string): string {
  return name.startsWith(prefix) ? name : prefix + name;
}

/** The source that a git address names; `options` count where the address says nothing. */
export function gitState(git: GitRef, options: GitOptions): State {
  const { ref, subdir, checksum, mtime } = git;
  return gitSource(git.remote, {
    ...options,
    ref,
    subdir,
    keepGitDir: (options.keepGitDir ?? false) || git.keepGitDir === true,
    checksum: checksum === '' ? (options.checksum ?? '') : checksum,
    skipSubmodules: git.submodules === false,
    mtime: mtime === '' ? (options.mtime ?? '') : mtime,
    fetchByCommit: git.fetchByCommit,
  });
}
