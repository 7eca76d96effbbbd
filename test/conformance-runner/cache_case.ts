/** Cases of the set `caches`: the build on disk, with an edit applied. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { withDefaults, type BuildFlags } from '../../src/cli/build/flags.ts';
import { makeContext, type ContextFile } from './make_context.ts';

interface EditOp {
  op: string;
  /** Another context than the main one. */
  context?: string;
  path?: string;
  content?: string;
  mode?: string;
  mtime?: number;
  target?: string;
  fixture?: string;
  old?: string;
  new?: string;
  key?: string;
  id?: string;
  value?: string;
}

interface BlobSize {
  digest: string;
  size: number;
}

export interface CacheCase {
  options: {
    buildArgs: Record<string, string>;
    options: Record<string, string>;
    secrets: Record<string, string>;
    namedContexts: Record<string, string>;
  };
  contextFiles: ContextFile[];
  namedContextFiles: Record<string, ContextFile[]>;
  edits: { name: string; ops: EditOp[] }[];
  exports: Record<string, { attrs: string; layout: string; omittedBlobs?: BlobSize[] }>;
  inline?: { layout: string; ref: string; omittedBlobs?: BlobSize[] };
}

export interface ExpectedStep {
  name: string;
  status: string;
  source?: boolean;
}

export interface ExpectedRun {
  import: string | null;
  edit: string;
  steps: ExpectedStep[];
  error: string | null;
  stable: boolean;
  alternatives?: ({ steps: ExpectedStep[] } | ExpectedStep[])[];
}

/** Flags of a build whose Dockerfile and contexts lie below `work`. */
export interface PreparedCase {
  context: string;
  flags: BuildFlags;
}

/** Makes the build of `source` (a directory of caches/) below `work`, with the named edit. */
export function prepareCase(
  spec: CacheCase,
  source: string,
  edit: string,
  work: string,
  fixtures: string,
): PreparedCase {
  const context = join(work, 'context');
  const contextOf = (name?: string): string => (name === undefined ? context : join(work, 'contexts', name));
  makeContext(context, join(source, 'context'), spec.contextFiles);
  for (const [name, files] of Object.entries(spec.namedContextFiles)) {
    makeContext(contextOf(name), join(source, 'contexts', name), files);
  }
  let dockerfile = readFileSync(join(source, 'Dockerfile'), 'utf8');
  const options = structuredClone(spec.options);
  const found = spec.edits.find(({ name }) => name === edit);
  if (found === undefined) throw new Error(`no edit ${edit}`);
  for (const op of found.ops) {
    if (op.op === 'dockerfile-replace') dockerfile = dockerfile.replaceAll(op.old ?? '', op.new ?? '');
    else if (op.op === 'build-arg') options.buildArgs[op.key ?? ''] = op.value ?? '';
    else if (op.op === 'option') options.options[op.key ?? ''] = op.value ?? '';
    else if (op.op === 'secret') options.secrets[op.id ?? ''] = op.value ?? '';
    else applyToFiles(op, contextOf(op.context), fixtures);
  }
  writeFileSync(join(work, 'Dockerfile'), dockerfile);
  const local = Object.keys(options.namedContexts)
    .filter((name) => (options.options[`context:${name}`] ?? '') === '')
    .map(
      (name) =>
        `${name}=${contextOf(options.namedContexts[name] === '' ? name : options.namedContexts[name])}`,
    );
  const flags = flagsOf(options, work);
  flags.buildContext.push(...local);
  return { context, flags: { ...flags, file: join(work, 'Dockerfile') } };
}

function applyToFiles(op: EditOp, root: string, fixtures: string): void {
  const path = join(root, op.path ?? '');
  mkdirSync(root, { recursive: true });
  switch (op.op) {
    case 'write': {
      const old = existsSync(path) ? statSync(path).mode & 0o7777 : 0o644;
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, op.content ?? '');
      chmodSync(path, op.mode === undefined ? old : Number.parseInt(op.mode, 8));
      return;
    }
    case 'touch':
      lutimesSync(path, op.mtime ?? 0, op.mtime ?? 0);
      return;
    case 'touch-all':
      for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' }))
        lutimesSync(join(root, name), op.mtime ?? 0, op.mtime ?? 0);
      return;
    case 'chmod':
      chmodSync(path, Number.parseInt(op.mode ?? '', 8));
      return;
    case 'delete':
      rmSync(path, { recursive: true });
      return;
    case 'symlink':
      rmSync(path, { force: true, recursive: true });
      symlinkSync(op.target ?? '', path);
      return;
    case 'fixture':
      copyFileSync(join(fixtures, op.fixture ?? ''), path);
      return;
    default:
      throw new Error(`unknown edit operation ${op.op}`);
  }
}

function flagsOf({ buildArgs, options, secrets }: CacheCase['options'], work: string): BuildFlags {
  const flags = withDefaults({}, {});
  const given: BuildFlags = { ...flags, label: [], buildContext: [] };
  given.buildArg = Object.entries(buildArgs).map(([key, value]) => `${key}=${value}`);
  given.secret = Object.entries(secrets).map(([id, value], index) => {
    const file = join(work, `secret-${index}`);
    writeFileSync(file, value);
    return `id=${id},src=${file}`;
  });
  for (const [key, value] of Object.entries(options)) {
    if (value === '') continue;
    const [kind, rest = ''] = key.split(/:(.*)/s);
    if (kind === 'label') given.label.push(`${rest}=${value}`);
    else if (kind === 'context') given.buildContext.push(`${rest}=${value}`);
    else Object.assign(given, option(key, value));
  }
  return given;
}

function option(key: string, value: string): Partial<BuildFlags> {
  switch (key) {
    case 'target':
      return { target: value };
    case 'platform':
      return { platform: [value] };
    case 'network':
      return { network: value };
    case 'add-host':
      return { addHost: value.split(',') };
    case 'ulimit':
      return { ulimit: value.split(',') };
    case 'shm-size':
      return { shmSize: value };
    case 'cgroup-parent':
      return { cgroupParent: value };
    case 'allow':
      return { allow: value.split(',') };
    case 'no-cache':
      return value === 'true' ? { noCache: true } : {};
    case 'no-cache-filter':
      return { noCacheFilter: value.split(',') };
    default:
      throw new Error(`unknown option ${key}`);
  }
}
