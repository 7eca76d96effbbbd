/** The steps of a file op and their encoding. */
import { create } from '@bufbuild/protobuf';
import {
  ChownOptSchema,
  FileActionCopySchema,
  FileActionMkDirSchema,
  FileActionMkFileSchema,
  FileActionRmSchema,
  FileActionSymlinkSchema,
  UserOptSchema,
} from '../gen/ops_pb.js';
import type { ChownOpt, FileAction, UserOpt } from '../gen/ops_pb.js';
import { cleanPath, joinPath } from './path.ts';
import type { State } from './state.ts';

/** A user or group by name, looked up in the base's passwd files, or by number. */
export type Principal = { name: string } | { id: number };

export interface Owner {
  user?: Principal;
  group?: Principal;
}

interface Attributed {
  owner?: Owner | undefined;
  /** Seconds since the epoch; undefined: the time of the step, or the source's for copies. */
  createdAt?: bigint | undefined;
}

export interface CopyStep extends Attributed {
  kind: 'copy';
  source: State;
  src: string;
  /** A trailing slash or `/.` counts. */
  dest: string;
  /** Octal mode, or symbolic changes as text; undefined: the source's. */
  mode?: number | string | undefined;
  followSymlink?: boolean;
  dirCopyContents?: boolean;
  attemptUnpack?: boolean;
  createDestPath?: boolean;
  allowWildcard?: boolean;
  allowEmptyWildcard?: boolean;
  includePatterns?: readonly string[];
  excludePatterns?: readonly string[];
  requiredPaths?: readonly string[];
}

export type FileStep =
  | CopyStep
  | ({ kind: 'mkdir'; path: string; mode: number; makeParents?: boolean } & Attributed)
  | ({ kind: 'mkfile'; path: string; mode: number; data: Uint8Array } & Attributed)
  | ({ kind: 'symlink'; oldpath: string; newpath: string } & Attributed)
  | { kind: 'rm'; path: string; allowNotFound?: boolean; allowWildcard?: boolean };

/** Permission bits that mkdir and mkfile keep. */
const PERMISSIONS = 0o777;
const NANOSECONDS = 1_000_000_000n;

/** `owner` of the form `user[:group]`, each a name or a number; `root` is 0. */
export function parseOwner(text: string): Owner {
  const colon = text.indexOf(':');
  if (colon === -1) return { user: principal(text) };
  return { user: principal(text.slice(0, colon)), group: principal(text.slice(colon + 1)) };
}

function principal(text: string): Principal {
  if (text === 'root') return { id: 0 };
  const id = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  return id >= -(2 ** 31) && id < 2 ** 31 ? { id } : { name: text };
}

/** `baseInput` is the input index of the base, where names of owners are looked up. */
export function encodeAction(step: FileStep, base: State, baseInput: number): FileAction['action'] {
  switch (step.kind) {
    case 'copy':
      return { case: 'copy', value: encodeCopy(step, base, baseInput) };
    case 'mkdir': {
      const { path, mode, makeParents = false } = step;
      const value = create(FileActionMkDirSchema, {
        path: base.absolute(path),
        mode: mode & PERMISSIONS,
        makeParents,
        ...attributes(step, baseInput),
      });
      return { case: 'mkdir', value };
    }
    case 'mkfile': {
      const { path, mode, data } = step;
      const value = create(FileActionMkFileSchema, {
        path: base.absolute(path),
        mode: mode & PERMISSIONS,
        data,
        ...attributes(step, baseInput),
      });
      return { case: 'mkfile', value };
    }
    case 'symlink': {
      const { oldpath, newpath } = step;
      const value = create(FileActionSymlinkSchema, { oldpath, newpath, ...attributes(step, baseInput) });
      return { case: 'symlink', value };
    }
    case 'rm': {
      const { path, allowNotFound = false, allowWildcard = false } = step;
      const value = create(FileActionRmSchema, { path: base.absolute(path), allowNotFound, allowWildcard });
      return { case: 'rm', value };
    }
  }
}

function encodeCopy(step: CopyStep, base: State, baseInput: number): FileActionCopyMessage {
  const { mode, source } = step;
  const src = cleanPath(step.src);
  return create(FileActionCopySchema, {
    src: src.startsWith('/') ? src : joinPath(source.values.dir, src),
    dest: base.absolute(step.dest, true),
    mode: mode === undefined ? -1 : typeof mode === 'number' ? mode : 0,
    modeStr: typeof mode === 'string' ? mode : '',
    followSymlink: step.followSymlink ?? false,
    dirCopyContents: step.dirCopyContents ?? false,
    attemptUnpackDockerCompatibility: step.attemptUnpack ?? false,
    createDestPath: step.createDestPath ?? false,
    allowWildcard: step.allowWildcard ?? false,
    allowEmptyWildcard: step.allowEmptyWildcard ?? false,
    includePatterns: [...(step.includePatterns ?? [])],
    excludePatterns: [...(step.excludePatterns ?? [])],
    requiredPaths: [...(step.requiredPaths ?? [])],
    ...attributes(step, baseInput),
  });
}

type FileActionCopyMessage = Extract<FileAction['action'], { case: 'copy' }>['value'];

function attributes(
  { owner, createdAt }: Attributed,
  baseInput: number,
): { owner?: ChownOpt; timestamp: bigint } {
  const timestamp = createdAt === undefined ? -1n : BigInt.asIntN(64, createdAt * NANOSECONDS);
  return owner === undefined ? { timestamp } : { owner: encodeOwner(owner, baseInput), timestamp };
}

function encodeOwner({ user, group }: Owner, baseInput: number): ChownOpt {
  const message = create(ChownOptSchema);
  if (user !== undefined) message.user = encodePrincipal(user, baseInput);
  if (group !== undefined) message.group = encodePrincipal(group, baseInput);
  return message;
}

function encodePrincipal(who: Principal, baseInput: number): UserOpt {
  if ('name' in who && who.name !== '') {
    return create(UserOptSchema, {
      user: { case: 'byName', value: { name: who.name, input: BigInt(baseInput) } },
    });
  }
  return create(UserOptSchema, { user: { case: 'byID', value: 'id' in who ? who.id >>> 0 : 0 } });
}
