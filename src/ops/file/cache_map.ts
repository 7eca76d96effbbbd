/**
 * The cache map of a file op (BuildKit v0.32.2, solver/llbsolver/ops/file.go): its actions as JSON inside JSON,
 * and for each input the paths that are copied or looked up.
 */
import { CairnError } from '../../errors/error.ts';
import { digestOf } from '../../llb/digest.ts';
import type { ChownOpt, FileAction, FileActionCopy, FileOp, UserOpt } from '../../llb/gen/ops_pb.js';
import type { ChecksumQuery } from '../../snapshots/contenthash/checksum.ts';
import type { ContentHasher } from '../../snapshots/contenthash/hasher.ts';
import { base } from '../../snapshots/patterns/go_path.ts';
import { containsWildcards } from '../../snapshots/patterns/match.ts';
import { compareBytes, contentBased, dedupeSelectors } from '../content_selectors.ts';
import type { CacheMap, CacheMapDep } from '../contract.ts';
import { goJson, omitEmpty, type GoValue } from '../go_json.ts';

const CACHE_TYPE = 'buildkit.file.v0';

/**
 * @param inputCount inputs of the vertex
 * @throws CairnError SOLVE when an owner names an input that is not there
 */
export function fileCacheMap(op: FileOp, inputCount: number, hasher: ContentHasher): CacheMap {
  const selected = new Map<number, ChecksumQuery[]>();
  /** Inputs that actions write to: all of them counts, whatever is selected. */
  const written = new Set<number>();
  const select = (input: bigint, query: ChecksumQuery): void => {
    const queries = selected.get(Number(input)) ?? [];
    queries.push(query);
    selected.set(Number(input), queries);
  };
  const actions = op.actions.map((action) => {
    written.add(Number(action.input));
    selectInputs(action, inputCount, select);
    return Buffer.from(goJson(actionFields(action, inputCount)));
  });
  const indexes = op.actions.map((action) => [action.input, action.secondaryInput, action.output]);
  const preimage = goJson({
    Type: CACHE_TYPE,
    Actions: actions,
    ...(isDefaultChain(indexes) ? {} : omitEmpty({ indexes })),
  });
  const deps = Array.from({ length: inputCount }, (): CacheMapDep => ({}));
  for (const [input, queries] of selected) {
    const dep = deps[input];
    if (dep === undefined) {
      throw new CairnError(`invalid input index ${input} in file op with ${inputCount} inputs`, {
        code: 'SOLVE',
      });
    }
    if (written.has(input)) continue;
    dep.selectorPreimage = queries
      .map((query) => query.path)
      .sort(compareBytes)
      .reverse()
      .join('\0');
    dep.selector = digestOf(dep.selectorPreimage);
    Object.assign(dep, contentBased(dedupeSelectors(queries), hasher));
  }
  return { digest: digestOf(preimage), deps, preimage };
}

function selectInputs(
  { action, secondaryInput }: FileAction,
  inputCount: number,
  select: (input: bigint, query: ChecksumQuery) => void,
): void {
  if (action.case === 'copy' || action.case === 'mkdir' || action.case === 'mkfile') {
    selectOwner(action.value.owner, select);
  }
  if (action.case !== 'copy' || !isRealInput(secondaryInput, inputCount)) return;
  const copy = action.value;
  select(secondaryInput, {
    path: copy.src,
    followLinks: copy.followSymlink,
    wildcard: copy.allowWildcard && containsWildcards(copy.src),
    includePatterns: copy.includePatterns,
    excludePatterns: copy.excludePatterns,
    requiredPaths: copy.requiredPaths,
  });
}

function isRealInput(input: bigint, inputCount: number): boolean {
  return input !== -1n && input < BigInt(inputCount);
}

/** Names are looked up in files of the input; a negative input is found out when the op runs, as in BuildKit. */
function selectOwner(
  owner: ChownOpt | undefined,
  select: (input: bigint, query: ChecksumQuery) => void,
): void {
  const user = owner?.user?.user;
  if (user?.case === 'byName') {
    if (user.value.input < 0n) return;
    select(user.value.input, { path: '/etc/passwd', followLinks: true });
  }
  const group = owner?.group?.user;
  if (group?.case === 'byName' && group.value.input >= 0n) {
    select(group.value.input, { path: '/etc/group', followLinks: true });
  }
}

function actionFields({ action, secondaryInput }: FileAction, inputCount: number): GoValue {
  switch (action.case) {
    case 'copy':
      return copyFields(action.value, isRealInput(secondaryInput, inputCount));
    case 'mkfile': {
      const { path, mode, data, owner, timestamp } = action.value;
      return omitEmpty({ path, mode, data, owner: ownerFields(owner), timestamp });
    }
    case 'mkdir': {
      const { path, mode, makeParents, owner, timestamp } = action.value;
      return omitEmpty({ path, mode, makeParents, owner: ownerFields(owner), timestamp });
    }
    case 'symlink': {
      const { oldpath, newpath, owner, timestamp } = action.value;
      return omitEmpty({ oldpath, newpath, owner: ownerFields(owner), timestamp });
    }
    case 'rm': {
      const { path, allowNotFound, allowWildcard } = action.value;
      return omitEmpty({ path, allowNotFound, allowWildcard });
    }
    case undefined:
      throw new CairnError('a file op has an action of an unknown type', {
        code: 'UNSUPPORTED',
        hint: 'The build definition was made for a newer version of BuildKit.',
      });
  }
}

/** Where a copy's source is an input, only its last element counts here: the selector has the rest. */
function copyFields(copy: FileActionCopy, fromInput: boolean): GoValue {
  return omitEmpty({
    src: fromInput ? base(copy.src) : copy.src,
    dest: copy.dest,
    owner: ownerFields(copy.owner),
    mode: copy.mode,
    followSymlink: copy.followSymlink,
    dirCopyContents: copy.dirCopyContents,
    attemptUnpackDockerCompatibility: copy.attemptUnpackDockerCompatibility,
    createDestPath: copy.createDestPath,
    allowWildcard: copy.allowWildcard,
    allowEmptyWildcard: copy.allowEmptyWildcard,
    timestamp: copy.timestamp,
    include_patterns: copy.includePatterns,
    exclude_patterns: copy.excludePatterns,
    alwaysReplaceExistingDestPaths: copy.alwaysReplaceExistingDestPaths,
    modeStr: copy.modeStr,
    required_paths: copy.requiredPaths,
  });
}

function ownerFields(owner: ChownOpt | undefined): GoValue | undefined {
  return owner && omitEmpty({ user: userFields(owner.user), group: userFields(owner.group) });
}

/** BuildKit has a marshaller of its own for this message. */
function userFields(opt: UserOpt | undefined): GoValue | undefined {
  if (opt === undefined) return undefined;
  const { user } = opt;
  if (user.case === 'byName') {
    return { User: { byName: omitEmpty({ name: user.value.name, input: user.value.input }) } };
  }
  return { User: omitEmpty({ byId: user.value }) };
}

/**
 * Whether the actions follow each other on the first input, copy from the second one at most and only the last
 * makes an output. Indexes are then left out, as keys of old versions left them out always.
 */
function isDefaultChain(indexes: readonly (readonly bigint[])[]): boolean {
  const count = BigInt(indexes.length);
  return (
    indexes.length > 0 &&
    indexes.every(([input, secondary, output], i) => {
      const last = i === indexes.length - 1;
      return (
        input === (i === 0 ? 0n : count + BigInt(i) - 1n) &&
        (secondary === -1n || secondary === 1n) &&
        output === (last ? 0n : -1n)
      );
    })
  );
}
