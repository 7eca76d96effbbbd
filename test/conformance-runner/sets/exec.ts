/**
 * The set `exec`: what a RUN step sees inside its container, compared with what it saw in BuildKit's. Built by
 * the program itself, with a registry of the directory's base images, and by runc where it is there: BuildKit runs
 * steps by runc, and runtimes differ in what they show of mounts.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useCairn, type Cairn } from '../../build/cairn.ts';
import { startBaseImageRegistry } from '../../servers/base_images.ts';
import type { RegistryServer } from '../../servers/docker_registry.ts';
import type { ConformanceSet } from '../contract.ts';
import { firstDifference } from '../difference.ts';
import { makeContext, type ContextFile } from '../make_context.ts';

interface Options {
  buildArgs?: Record<string, string>;
  /** Command-line names to values. */
  options?: Record<string, string>;
  secrets?: Record<string, string>;
}

/** The fields of the case may stand at its top or below `options`, as in `caches/`. */
interface ExecCase extends Omit<Options, 'options'> {
  options?: Options & Record<string, unknown>;
  contextFiles?: ContextFile[];
}

interface ExpectedFile {
  path: string;
  mode?: string;
  content?: string;
  contentBase64?: string;
  target?: string;
}

interface Expected {
  files: ExpectedFile[];
  filesThatVaryBetweenRuns?: string[];
}

let registry: RegistryServer | undefined;
let cairn: Cairn | undefined;

export const set: ConformanceSet = {
  cases(dir) {
    const root = join(dir, 'exec');
    if (!existsSync(root)) return undefined;
    return readdirSync(root)
      .filter((name) => existsSync(join(root, name, 'case.json')))
      .sort()
      .map((name) => ({ name, run: () => runCase(dir, name) }));
  },
  async close() {
    cairn?.remove();
    await registry?.stop();
    registry = cairn = undefined;
  },
};

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

async function runCase(dir: string, name: string): Promise<string | undefined> {
  registry ??= await startBaseImageRegistry({}, baseImages(dir));
  cairn ??= useCairn(registry.host);
  const source = join(dir, 'exec', name);
  const spec = readJson(join(source, 'case.json')) as ExecCase;
  const expected = readJson(join(source, 'expected.json')) as Expected;

  const work = mkdtempSync(join(tmpdir(), 'cairn-exec-'));
  try {
    const context = join(work, 'context');
    makeContext(context, join(source, 'context'), spec.contextFiles ?? []);
    const output = join(work, 'out');
    const { code, stderr } = await cairn.run(
      [
        'build',
        '--progress=plain',
        '-f',
        join(source, 'Dockerfile'),
        ...flagsOf(spec, work),
        '--output',
        `type=local,dest=${output}`,
        context,
      ],
      hasRunc() ? { env: { CAIRN_RUNTIME: 'runc' } } : {},
    );
    if (code !== 0) return `the build failed:\n${stderr}`;
    const varying = new Set(expected.filesThatVaryBetweenRuns);
    const known = (files: ExpectedFile[]) =>
      Object.fromEntries(
        files.map((file) => [file.path, varying.has(file.path) ? { path: file.path } : plain(file)]),
      );
    const actual = expected.files
      .map(({ path }) => readFile(output, path))
      .filter((file) => file !== undefined);
    return firstDifference(known(expected.files), known(actual));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function hasRunc(): boolean {
  return (process.env['PATH'] ?? '').split(':').some((directory) => existsSync(join(directory, 'runc')));
}

/** Cases beside the golden data bring no images of their own. */
function baseImages(dir: string): string {
  const own = join(dir, 'base-images/layout');
  return existsSync(own) ? own : join(import.meta.dirname, '../../conformance/base-images/layout');
}

function flagsOf(spec: ExecCase, work: string): string[] {
  const nested = spec.options ?? {};
  const buildArgs = spec.buildArgs ?? nested.buildArgs ?? {};
  const secrets = spec.secrets ?? nested.secrets ?? {};
  const options = Object.entries(nested.options ?? nested).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '',
  );
  const directory = join(work, 'secrets');
  mkdirSync(directory, { recursive: true });
  return [
    ...Object.entries(buildArgs).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
    ...Object.entries(secrets).flatMap(([id, value], index) => {
      writeFileSync(join(directory, String(index)), value);
      return ['--secret', `id=${id},src=${join(directory, String(index))}`];
    }),
    ...options.flatMap(([key, value]) => {
      const [kind, rest] = key.split(/:(.*)/s);
      if (kind === 'label') return ['--label', `${rest}=${value}`];
      if (kind === 'context') return ['--build-context', `${rest}=${value}`];
      return [`--${key}=${value}`];
    }),
  ];
}

function plain({ path, mode, content, contentBase64, target }: ExpectedFile): ExpectedFile {
  if (target !== undefined) return { path, target };
  const text = contentBase64 === undefined ? content : Buffer.from(contentBase64, 'base64').toString('utf8');
  return {
    path,
    ...(mode === undefined ? {} : { mode: mode.replace(/^0+(?=\d{3})/, '') }),
    ...(text === undefined ? {} : { content: text }),
  };
}

function readFile(root: string, path: string): ExpectedFile | undefined {
  const host = join(root, path);
  const stats = lstatSync(host, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (stats.isSymbolicLink()) return { path, target: readlinkSync(host) };
  const mode = (stats.mode & 0o7777).toString(8);
  return stats.isDirectory() ? { path, mode } : { path, mode, content: readFileSync(host, 'utf8') };
}
