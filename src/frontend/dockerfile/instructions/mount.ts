/** The value of `RUN --mount`. */
import { DockerfileError, wrapError } from '../parser/error.ts';
import { goLower } from '../text/case.ts';
import { parseGoBool, parseRamBytes, parseUint32 } from '../text/numbers.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { suggestError } from '../text/suggest.ts';
import { csvFields } from './csv.ts';
import type { Mount, MountType, SharingMode, WordExpander } from './types.ts';

const TYPES: readonly MountType[] = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'];
const SHARING_MODES: readonly SharingMode[] = ['shared', 'private', 'locked'];
const KEYS = [
  'type',
  'from',
  'source',
  'target',
  'readonly',
  'id',
  'sharing',
  'required',
  'size',
  'mode',
  'uid',
  'gid',
  'src',
  'dst',
  'destination',
  'ro',
  'rw',
  'readwrite',
  'env',
];

/** A mount in the making: `readOnly` undefined takes the default of its type. */
type Draft = Omit<Mount, 'readOnly'> & { readOnly: boolean | undefined };

/**
 * Parses one mount. Without `expand` only `from` is looked at, since everything else may hold variables.
 * Fields count in the order written: `type` is to come before those that only some types have.
 * @throws DockerfileError, and whatever `expand` throws
 */
export function parseMount(text: string, expand: WordExpander | undefined): Mount {
  const mount: Draft = {
    type: 'bind',
    from: '',
    source: '',
    target: '',
    readOnly: undefined,
    sizeLimit: 0n,
    cacheId: '',
    cacheSharing: undefined,
    required: false,
    env: undefined,
    mode: undefined,
    uid: undefined,
    gid: undefined,
  };
  for (const field of fieldsOf(text)) {
    const equals = field.indexOf('=');
    const key = goLower(equals === -1 ? field : field.slice(0, equals));
    const value = equals === -1 ? undefined : field.slice(equals + 1);
    if (expand === undefined) {
      if (key === 'from' && value !== undefined) mount.from = constantFrom(value);
    } else if (value === undefined) {
      setSwitch(mount, key, field);
    } else {
      setField(mount, key, expand(value), field);
    }
  }
  return checked(mount);
}

function fieldsOf(text: string): string[] {
  try {
    return csvFields(text);
  } catch (error) {
    throw wrapError(error, 'failed to parse csv mounts');
  }
}

/** A dollar sign at the very end is not a reference. */
function constantFrom(value: string): string {
  const dollar = value.indexOf('$');
  if (dollar !== -1 && dollar !== value.length - 1) {
    throw new DockerfileError("'from' doesn't support variable expansion, define alias stage instead");
  }
  return value;
}

/** A field without `=`. */
function setSwitch(mount: Draft, key: string, field: string): void {
  switch (key) {
    case 'readonly':
    case 'ro':
      mount.readOnly = true;
      return;
    case 'readwrite':
    case 'rw':
      mount.readOnly = false;
      return;
    case 'required':
      if (!canBeRequired(mount)) throw unexpectedKey(mount, key);
      mount.required = true;
      return;
    default:
      throw new DockerfileError(`invalid field '${field}' must be a key=value pair`);
  }
}

/** `key=value`; `field` is the text before expansion. */
function setField(mount: Draft, key: string, value: string, field: string): void {
  switch (key) {
    case 'type':
      mount.type = oneOf(TYPES, value, 'unsupported mount type');
      return;
    case 'from':
      mount.from = value;
      return;
    case 'source':
    case 'src':
      mount.source = value;
      return;
    case 'target':
    case 'dst':
    case 'destination':
      mount.target = value;
      return;
    case 'readonly':
    case 'ro':
      mount.readOnly = boolean(key, value);
      return;
    case 'readwrite':
    case 'rw':
      mount.readOnly = !boolean(key, value);
      return;
    case 'required':
      if (!canBeRequired(mount)) throw unexpectedKey(mount, key);
      mount.required = boolean(key, value);
      return;
    case 'size':
      if (mount.type !== 'tmpfs') throw unexpectedKey(mount, key);
      mount.sizeLimit = parseRamBytes(value) ?? invalidValue(key, value);
      return;
    case 'id':
      mount.cacheId = value;
      return;
    case 'sharing':
      mount.cacheSharing = oneOf(SHARING_MODES, value, 'unsupported sharing value');
      return;
    case 'mode':
      mount.mode = unsigned(key, value, 8);
      return;
    case 'uid':
      mount.uid = unsigned(key, value, 10);
      return;
    case 'gid':
      mount.gid = unsigned(key, value, 10);
      return;
    case 'env':
      mount.env = value;
      return;
    default:
      throw suggestError(`unexpected key '${key}' in '${field}'`, key, KEYS);
  }
}

/** What fields must not come together, and the default of `readOnly`. */
function checked(mount: Draft): Mount {
  const { type } = mount;
  if (type === 'bind' || type === 'tmpfs') {
    for (const key of ['mode', 'uid', 'gid'] as const) {
      if (mount[key] !== undefined) {
        throw new DockerfileError(`${key} not allowed for ${goQuote(type)} type mounts`);
      }
    }
  }
  if (type === 'secret') checkSecret(mount);
  if (mount.cacheSharing !== undefined && type !== 'cache') {
    throw new DockerfileError(`invalid cache sharing set for ${type} mount`);
  }
  return { ...mount, readOnly: mount.readOnly ?? !(type === 'cache' || type === 'tmpfs') };
}

function checkSecret(mount: Draft): void {
  if (mount.from !== '') throw new DockerfileError('secret mount should not have a from');
  if (mount.cacheSharing !== undefined) {
    throw new DockerfileError('secret mount should not define sharing');
  }
  if (mount.source === '' && mount.target === '' && mount.cacheId === '') {
    throw new DockerfileError('invalid secret mount. one of source, target required');
  }
  if (mount.source !== '' && mount.cacheId !== '') {
    throw new DockerfileError("both source and id can't be set");
  }
}

function canBeRequired(mount: Draft): boolean {
  return mount.type === 'secret' || mount.type === 'ssh';
}

function unexpectedKey(mount: Draft, key: string): DockerfileError {
  return new DockerfileError(`unexpected key '${key}' for mount type '${mount.type}'`);
}

function oneOf<T extends string>(known: readonly T[], value: string, problem: string): T {
  const lower = goLower(value);
  const found = known.find((word) => word === lower);
  if (found === undefined) throw suggestError(`${problem} ${goQuote(value)}`, value, known);
  return found;
}

function boolean(key: string, value: string): boolean {
  return parseGoBool(value) ?? invalidValue(key, value);
}

function invalidValue(key: string, value: string): never {
  throw new DockerfileError(`invalid value for ${key}: ${value}`);
}

function unsigned(key: 'mode' | 'uid' | 'gid', value: string, base: 8 | 10): number {
  const number = parseUint32(value, base);
  if (number === undefined) throw new DockerfileError(`invalid value ${value} for ${key}`);
  return number;
}
