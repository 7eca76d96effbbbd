/**
 * The set `caches`: which steps hit when a cache that BuildKit exported is imported into an empty store, after each
 * edit; and whether the caches that are exported from the same builds are the same. Everything goes through the
 * embedded driver, with real registries and servers.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBaseImageRegistry } from '../../servers/base_images.ts';
import type { RegistryServer } from '../../servers/docker_registry.ts';
import { GIT_PORT, startGitDaemon, type GitServer } from '../../servers/git_daemon.ts';
import { startWww, WWW_PORT, type WwwServer } from '../../servers/www.ts';
import { buildCase, comparable } from '../cache_build.ts';
import { prepareCase, type CacheCase, type ExpectedRun, type ExpectedStep } from '../cache_case.ts';
import { completeLayout, pushLayout, readLayoutCache } from '../cache_layout.ts';
import { describeCache, stacksOf } from '../cache_records.ts';
import type { ConformanceSet } from '../contract.ts';
import { firstDifference } from '../difference.ts';

/** How long to wait for the ports that the Dockerfiles name, when another run on this machine has them. */
const PORT_TIMEOUT_MS = 10 * 60_000;
const PORT_POLL_MS = 500;

/** Started when a case first needs them. */
let registry: Promise<RegistryServer> | undefined;
let www: Promise<WwwServer> | undefined;
let git: Promise<GitServer> | undefined;

export const set: ConformanceSet = {
  parallel: availableParallelism(),
  cases(dir) {
    const root = join(dir, 'caches');
    if (!existsSync(root)) return undefined;
    return readdirSync(root)
      .filter((name) => existsSync(join(root, name, 'case.json')))
      .toSorted()
      .map((name) => ({ name, run: () => runCase(dir, name) }));
  },
  async close() {
    for (const server of [registry, www, git]) {
      // One that did not start was told of by the case that needed it.
      await (await server?.catch(() => undefined))?.stop();
    }
    registry = www = git = undefined;
  },
};

/** Data beside the golden data brings no images and fixtures of its own. */
function dataOf(dir: string, path: string): string {
  const own = join(dir, path);
  return existsSync(own) ? own : join(import.meta.dirname, '../../conformance', path);
}

/** @returns the registry; the others listen where the build looks for them */
async function startServers(dir: string, build: string): Promise<RegistryServer> {
  registry ??= startBaseImageRegistry({}, dataOf(dir, 'base-images/layout'));
  if (build.includes(`:${WWW_PORT}`))
    await (www ??= onceFree(() => startWww({ root: dataOf(dir, 'fixtures/www') })));
  if (build.includes(`:${GIT_PORT}`))
    await (git ??= onceFree(() => startGitDaemon({ bundle: dataOf(dir, 'fixtures/app.bundle') })));
  return registry;
}

async function onceFree<T>(start: () => Promise<T>): Promise<T> {
  const until = Date.now() + PORT_TIMEOUT_MS;
  for (;;) {
    try {
      return await start();
    } catch (error) {
      const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (!taken || Date.now() > until) throw error;
    }
    await sleep(PORT_POLL_MS);
  }
}

interface Case {
  name: string;
  source: string;
  spec: CacheCase;
  fixtures: string;
  /** `host:port` */
  registry: string;
  /** Large blobs of all cases. */
  blobs: string;
  /** Scratch space of this case. */
  work: string;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

async function runCase(dir: string, name: string): Promise<string | undefined> {
  const source = join(dir, 'caches', name);
  const texts = ['Dockerfile', 'case.json'].map((file) => readFileSync(join(source, file), 'utf8'));
  const { host } = await startServers(dir, texts.join('\n'));
  const spec = readJson(join(source, 'case.json')) as CacheCase;
  const { runs } = readJson(join(source, 'expected.json')) as { runs: ExpectedRun[] };
  const work = mkdtempSync(join(tmpdir(), 'cairn-caches-'));
  const one: Case = {
    name,
    source,
    spec,
    fixtures: dataOf(dir, 'fixtures'),
    registry: host,
    blobs: join(dir, 'caches/blobs/sha256'),
    work,
  };
  try {
    const imports = await placeCaches(one);
    const differences: string[] = [];
    for (const [index, run] of runs.entries()) {
      const difference = await compareHits(one, run, runs, imports, join(work, `run-${index}`));
      if (difference !== undefined) differences.push(difference);
    }
    differences.push(...(await compareExports(one)));
    return differences.length === 0 ? undefined : differences.join('\n');
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Puts BuildKit's caches where they can be imported from. @returns `--cache-from` of each variant */
async function placeCaches({
  name,
  source,
  spec,
  blobs,
  work,
  registry,
}: Case): Promise<Map<string, string>> {
  const imports = new Map<string, string>();
  for (const [variant, { layout, omittedBlobs = [] }] of Object.entries(spec.exports)) {
    const target = join(work, 'caches', variant);
    completeLayout(join(source, layout), omittedBlobs, blobs, target);
    imports.set(variant, `type=local,src=${target}`);
  }
  if (spec.inline !== undefined) {
    const { layout, omittedBlobs = [] } = spec.inline;
    const target = join(work, 'caches/inline');
    completeLayout(join(source, layout), omittedBlobs, blobs, target);
    await pushLayout(target, registry, `golden/${name}`, 'inline');
    imports.set('inline', `type=registry,ref=${registry}/golden/${name}:inline`);
  }
  return imports;
}

async function compareHits(
  one: Case,
  run: ExpectedRun,
  runs: readonly ExpectedRun[],
  imports: ReadonlyMap<string, string>,
  work: string,
): Promise<string | undefined> {
  const from = run.import === null ? undefined : imports.get(run.import);
  if (run.import !== null && from === undefined) return `there is no cache ${run.import}`;
  const prepared = prepareCase(one.spec, one.source, run.edit, work, one.fixtures);
  const caches = from === undefined ? {} : { from: [from] };
  const build = await buildCase(prepared, caches, join(work, 'build'), one.registry);
  rmSync(work, { recursive: true, force: true });
  const where = `import ${run.import ?? 'nothing'}, edit ${run.edit}`;
  if (build.warnings.some((warning) => warning.startsWith('cache ')))
    return `${where}: ${build.warnings.join('; ')}`;
  if (build.error !== undefined && run.error === null) return `${where}: the build failed: ${build.error}`;
  const actual = comparable(build.steps);
  const accepted = outcomes(one, run, runs);
  const differences = accepted.map((steps) => firstDifference(comparable(steps), actual));
  // Where BuildKit itself varied from run to run, any of its outcomes will do.
  return differences.includes(undefined) ? undefined : `${where}: ${differences[0]}`;
}

/**
 * What BuildKit was seen to do. Builds that differ only in times of files have equal keys, since no key has those:
 * where one of them varied from run to run, what one of them did, the others may do as well.
 */
function outcomes({ spec }: Case, run: ExpectedRun, runs: readonly ExpectedRun[]): ExpectedStep[][] {
  const onlyTimes = (edit: string): boolean =>
    spec.edits.find(({ name }) => name === edit)?.ops.every(({ op }) => op.startsWith('touch')) ?? false;
  const equal = onlyTimes(run.edit)
    ? runs.filter((other) => other.import === run.import && onlyTimes(other.edit))
    : [run];
  const pool = equal.some(({ stable }) => !stable) ? equal : [run];
  return [run, ...pool].flatMap(({ steps, alternatives = [] }) => [
    steps,
    ...alternatives.map((each) => ('steps' in each ? each.steps : each)),
  ]);
}

/** Exports each variant from a store of its own, as the golden caches were made. */
async function compareExports(one: Case): Promise<string[]> {
  const golden = Object.entries(one.spec.exports).map(([variant, { attrs }]) => ({
    variant,
    attrs,
    cache: readLayoutCache(join(one.work, 'caches', variant)),
  }));
  const differences: string[] = [];
  for (const { variant, attrs, cache: expected } of golden) {
    const work = join(one.work, `export-${variant}`);
    const target = join(work, 'cache');
    const prepared = prepareCase(one.spec, one.source, 'none', work, one.fixtures);
    const to = [`type=local,dest=${target},${attrs}`];
    const { error, warnings } = await buildCase(prepared, { to }, join(work, 'build'), one.registry);
    const actual = readLayoutCache(target);
    rmSync(work, { recursive: true, force: true });
    const where = `export ${variant}`;
    const told = warnings.filter((warning) => warning.includes('cache'));
    if (error !== undefined || told.length > 0) {
      differences.push(`${where}: ${error ?? told.join('; ')}`);
      continue;
    }
    if (expected === undefined || actual === undefined) {
      if (expected !== actual) differences.push(`${where}: ${actual === undefined ? 'no cache' : 'a cache'}`);
      continue;
    }
    const records = firstDifference(describeCache(expected), describeCache(actual));
    if (records !== undefined) differences.push(`${where}: records ${records}`);
    const others = golden.filter((other) => other.variant !== variant).flatMap(({ cache }) => cache ?? []);
    const known = reproducible(expected, others);
    const stacks = stacksOf(actual);
    const own = [...known.keys()].map((name) => [name, stacks.get(name)]);
    const layers = firstDifference(Object.fromEntries(known), Object.fromEntries(own));
    if (layers !== undefined) differences.push(`${where}: diffIDs of ${layers}`);
  }
  return differences;
}

/**
 * Layers that do not depend on when they were made: those that BuildKit's builds, each of which ran every step, all
 * came to. Those of COPY and ADD are among them; most of RUN are not.
 */
function reproducible(
  expected: Parameters<typeof stacksOf>[0],
  others: readonly Parameters<typeof stacksOf>[0][],
): Map<string, string[]> {
  const all = others.map(stacksOf);
  const same = [...stacksOf(expected)].filter(([name, stack]) => {
    const found = all.map((stacks) => stacks.get(name)).filter((each) => each !== undefined);
    return found.length > 0 && found.every((each) => each.join() === stack.join());
  });
  return new Map(same);
}
