/** What a git source op names (BuildKit v0.32.2, source/git/identifier.go and util/gitutil). */
import { posix } from 'node:path';
import { CairnError, redact } from '../errors/error.ts';
import { refuseAttrs, type Attrs } from './attrs.ts';

export interface GitOptions {
  /** URL or scp-style address for the git program. */
  remote: string;
  /** Branch, tag or commit; empty: the default branch. */
  ref: string;
  /** Empty: everything. */
  subdir: string;
  /** A commit or a prefix of one; empty: not given. */
  checksum: string;
  keepGitDir: boolean;
  skipSubmodules: boolean;
  /** `checkout`, `commit` or empty. */
  mtime: string;
  fetchByCommit: boolean;
  /** Names of secrets; empty: none. */
  authTokenSecret: string;
  authHeaderSecret: string;
  /** Id of the agent; empty: none. */
  sshId: string;
  knownHosts: string;
}

const TRANSPORT = /^(?:https?|ssh|git):\/\//i;
/** `user@host:path`, with an optional query and fragment. */
const SCP_STYLE = /^([a-zA-Z0-9-_]+)@([a-zA-Z0-9-.]+):(.*?)(?:\?(.*?))?(?:#(.*))?$/;
const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

const UNSUPPORTED = [
  'git.bundle',
  'git.checkoutbundle',
  'git.sig.pubkey',
  'git.sig.rejectexpired',
  'git.sig.requiresignedtag',
  'git.sig.ignoresignedtag',
];

/** True for a full SHA-1 or SHA-256 commit id. */
export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

function isTransport(remote: string): boolean {
  return /^[a-zA-Z0-9]+:\/\//.test(remote) ? TRANSPORT.test(remote) : SCP_STYLE.test(remote);
}

function splitFragment(fragment: string): { ref: string; subdir: string } {
  const colon = fragment.indexOf(':');
  const ref = colon === -1 ? fragment : fragment.slice(0, colon);
  const path = colon === -1 ? '' : fragment.slice(colon + 1);
  return { ref, subdir: posix.join('/', path).replace(/\/$/, '').slice(1) };
}

/** Percent-decoded where that is possible: fragments of URLs are, those of scp-style addresses are not. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * @param rest the identifier behind `git://`
 * @throws CairnError SOLVE for what does not parse, UNSUPPORTED for bundles and signatures
 */
export function gitOptions(rest: string, attrs: Attrs): GitOptions {
  const address = isTransport(rest) ? rest : `https://${rest}`;
  refuseAttrs(attrs, `git source ${redact(address)}`, UNSUPPORTED);
  const hash = address.indexOf('#');
  const fragment = hash === -1 ? '' : address.slice(hash + 1);
  const { ref, subdir } = splitFragment(SCP_STYLE.test(address) ? fragment : decoded(fragment));
  const bare = (hash === -1 ? address : address.slice(0, hash)).replace(/\?.*$/, '');
  const full = attrs['git.fullurl'];
  const remote = full === undefined || full === '' ? bare : isTransport(full) ? full : `https://${full}`;
  if (ref.startsWith('-')) throw new CairnError(`invalid git ref "${ref}"`, { code: 'SOLVE' });
  if (remote.startsWith('-')) throw new CairnError(`invalid git remote "${remote}"`, { code: 'SOLVE' });
  const checksum = attrs['git.checksum'] ?? '';
  if (!/^[a-fA-F0-9]*$/.test(checksum)) {
    throw new CairnError(`invalid checksum ${checksum} for Git URL, expected hex commit hash`, {
      code: 'SOLVE',
    });
  }
  const flag = (name: string): boolean => attrs[name] === 'true';
  return {
    remote,
    ref,
    subdir,
    checksum,
    keepGitDir: flag('git.keepgitdir'),
    skipSubmodules: flag('git.skipsubmodules'),
    mtime: attrs['git.mtime'] ?? '',
    fetchByCommit: flag('git.fetchbycommit'),
    authTokenSecret: attrs['git.authtokensecret'] ?? '',
    authHeaderSecret: attrs['git.authheadersecret'] ?? '',
    sshId: attrs['git.mountsshsock'] ?? '',
    knownHosts: attrs['git.knownsshhosts'] ?? '',
  };
}

/** The cache key of a commit (source/git/source.go, shaToCacheKey). */
export function gitKey(options: GitOptions, commit: string, ref: string): string {
  let key = commit;
  if (options.keepGitDir) key += ref === '' ? '.git' : `.git#${ref}`;
  if (options.subdir !== '') key += `:${options.subdir}`;
  if (options.skipSubmodules) key += '(skip-submodules)';
  if (options.mtime !== '' && options.mtime !== 'checkout') key += `(mtime=${options.mtime})`;
  return key;
}
