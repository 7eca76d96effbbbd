/** Source ops: images, OCI layouts, local directories, HTTP files, git repositories (client/llb, source.go). */
import { create } from '@bufbuild/protobuf';
import { CairnError, messageOf } from '../../errors/error.ts';
import { OpSchema, SourceOpSchema } from '../gen/ops_pb.js';
import type { Platform } from '../gen/ops_pb.js';
import { parseNormalizedReference, formatReference, withDefaultTag } from '../reference.ts';
import { goJson } from '../go_json.ts';
import { CAP, type Cap } from './caps.ts';
import { metadataOf, type OpOptions } from './constraints.ts';
import { joinPath } from './path.ts';
import { State } from './state.ts';
import type { BuilderVertex, EncodeContext, EncodedOp, Output } from './vertex.ts';

/** Schemes whose result depends on the platform; other sources carry none. */
const PLATFORM_SCHEMES = ['docker-image://', 'oci-layout://'];

class SourceVertex implements BuilderVertex {
  readonly #identifier: string;
  readonly #attrs: Readonly<Record<string, string>>;
  readonly #options: OpOptions;
  readonly #caps: ReadonlySet<Cap>;
  readonly #error: Error | undefined;

  constructor(
    identifier: string,
    attrs: Readonly<Record<string, string>>,
    options: OpOptions,
    caps: ReadonlySet<Cap>,
    error?: Error,
  ) {
    this.#identifier = identifier;
    this.#attrs = attrs;
    this.#options = options;
    this.#caps = caps;
    this.#error = error;
  }

  inputs(): Output[] {
    return [];
  }

  encode(context: EncodeContext): EncodedOp {
    if (this.#error !== undefined) throw this.#error;
    if (this.#identifier === '') {
      throw new CairnError("source identifier can't be empty", { code: 'SOLVE' });
    }
    const attrs = { ...this.#attrs };
    const caps = new Set(this.#caps);
    if (this.#identifier.startsWith('local://') && attrs['local.session'] === undefined) {
      attrs['local.unique'] = context.localUnique;
      caps.add(CAP.sourceLocalUnique);
    }
    const op = create(OpSchema, {
      constraints: {},
      op: { case: 'source', value: create(SourceOpSchema, { identifier: this.#identifier, attrs }) },
    });
    if (PLATFORM_SCHEMES.some((scheme) => this.#identifier.startsWith(scheme))) {
      op.platform = this.#options.platform ?? context.platform;
    }
    return { op, metadata: metadataOf(this.#options, caps), locations: this.#options.locations ?? [] };
  }
}

function sourceState(vertex: SourceVertex, platform: Platform | undefined): State {
  return State.from({ vertex, index: 0, platform });
}

/** `default` is what a registry image gets without asking. */
export type ResolveMode = 'default' | 'pull' | 'local';

/** An image; a name without tag or digest means `:latest`. A reference that does not parse fails when encoded. */
export function imageSource(ref: string, options: OpOptions & { resolveMode?: ResolveMode } = {}): State {
  const caps = new Set<Cap>([CAP.sourceImage]);
  const attrs: Record<string, string> = {};
  if (options.resolveMode !== undefined && options.resolveMode !== 'default') {
    attrs['image.resolvemode'] = options.resolveMode;
    if (options.resolveMode === 'pull') caps.add(CAP.sourceImageResolveMode);
  }
  let name = ref;
  let error: Error | undefined;
  try {
    name = formatReference(withDefaultTag(parseNormalizedReference(ref)));
  } catch (thrown) {
    error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
  }
  return sourceState(
    new SourceVertex(`docker-image://${name}`, attrs, options, caps, error),
    options.platform,
  );
}

/** An image in an OCI layout that the client offers. */
export function ociLayoutSource(
  ref: string,
  options: OpOptions & { sessionId?: string | undefined; storeId?: string } = {},
): State {
  const attrs: Record<string, string> = {};
  if (options.sessionId !== undefined && options.sessionId !== '') attrs['oci.session'] = options.sessionId;
  if (options.storeId !== undefined && options.storeId !== '') attrs['oci.store'] = options.storeId;
  const caps = new Set<Cap>([CAP.sourceOciLayout]);
  return sourceState(new SourceVertex(`oci-layout://${ref}`, attrs, options, caps), options.platform);
}

export interface LocalOptions extends OpOptions {
  sessionId?: string | undefined;
  /** Only these paths, and what links among them lead to. Empty: everything. */
  followPaths?: readonly string[];
  excludePatterns?: readonly string[];
  sharedKeyHint?: string;
  /** `none`: transfer every file, compare nothing. */
  differ?: 'none' | 'metadata';
}

/** A directory of the client. */
export function localSource(name: string, options: LocalOptions = {}): State {
  const caps = new Set<Cap>([CAP.sourceLocal]);
  const attrs: Record<string, string> = {};
  const set = (key: string, value: string | undefined, cap?: Cap): void => {
    if (value === undefined || value === '') return;
    attrs[key] = value;
    if (cap !== undefined) caps.add(cap);
  };
  set('local.session', options.sessionId, CAP.sourceLocalSessionId);
  set('local.followpaths', jsonList(options.followPaths), CAP.sourceLocalFollowPaths);
  set('local.excludepatterns', jsonList(options.excludePatterns), CAP.sourceLocalExcludePatterns);
  set('local.sharedkeyhint', options.sharedKeyHint, CAP.sourceLocalSharedKeyHint);
  set('local.differ', options.differ);
  return sourceState(new SourceVertex(`local://${name}`, attrs, options, caps), options.platform);
}

export interface HttpOptions extends OpOptions {
  /** Name of the file in the result. */
  filename?: string;
  checksum?: string;
}

/** One file at an HTTP URL. */
export function httpSource(url: string, options: HttpOptions = {}): State {
  const caps = new Set<Cap>([CAP.sourceHttp]);
  const attrs: Record<string, string> = {};
  if (options.checksum !== undefined && options.checksum !== '') {
    attrs['http.checksum'] = options.checksum;
    caps.add(CAP.sourceHttpChecksum);
  }
  if (options.filename !== undefined && options.filename !== '') attrs['http.filename'] = options.filename;
  return sourceState(new SourceVertex(url, attrs, options, caps), options.platform);
}

/** A git remote taken apart, see git_url.ts of the frontend. */
export interface GitRemote {
  /** URL or scp-style address, without reference and directory. */
  remote: string;
  scheme: string;
  host: string;
  path: string;
}

export interface GitOptions extends OpOptions {
  /** Commit, tag or branch. */
  ref?: string;
  subdir?: string;
  keepGitDir?: boolean;
  checksum?: string;
  skipSubmodules?: boolean;
  /** `commit`: files get the commit's time. */
  mtime?: string;
  fetchByCommit?: boolean;
}

/** A git repository; the identifier leaves out the protocol, so that https and ssh are the same source. */
export function gitSource(git: GitRemote, options: GitOptions = {}): State {
  const caps = new Set<Cap>([CAP.sourceGit]);
  const attrs: Record<string, string> = {};
  const set = (key: string, value: string | undefined, cap: Cap): void => {
    if (value === undefined || value === '') return;
    attrs[key] = value;
    caps.add(cap);
  };
  const flag = (value: boolean | undefined): string | undefined => (value === true ? 'true' : undefined);
  set('git.keepgitdir', flag(options.keepGitDir), CAP.sourceGitKeepDir);
  set('git.fullurl', git.remote, CAP.sourceGitFullUrl);
  attrs['git.authtokensecret'] = 'GIT_AUTH_TOKEN';
  attrs['git.authheadersecret'] = 'GIT_AUTH_HEADER';
  if (git.scheme === 'ssh') {
    // Host keys are not scanned while converting: that would make the definition depend on the network.
    caps.add(CAP.sourceGitKnownSshHosts);
    set('git.mountsshsock', 'default', CAP.sourceGitMountSshSock);
  }
  set('git.checksum', options.checksum, CAP.sourceGitChecksum);
  set('git.skipsubmodules', flag(options.skipSubmodules), CAP.sourceGitSkipSubmodules);
  set('git.mtime', options.mtime, CAP.sourceGitMTime);
  set('git.fetchbycommit', flag(options.fetchByCommit), CAP.sourceGitFetchByCommit);
  return sourceState(
    new SourceVertex(`git://${gitIdentifier(git, options)}`, attrs, options, caps),
    options.platform,
  );
}

function gitIdentifier(git: GitRemote, { ref = '', subdir = '' }: GitOptions): string {
  const base = git.host + joinPath('/', git.path);
  if (ref === '' && subdir === '') return base;
  return `${base}#${ref}${subdir === '' ? '' : `:${subdir}`}`;
}

function jsonList(list: readonly string[] | undefined): string | undefined {
  return list === undefined || list.length === 0 ? undefined : goJson(list);
}
