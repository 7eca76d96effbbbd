/** Builds cases of the set `caches` by the embedded driver, each in a store of its own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareBuild } from '../../src/cli/build/request.ts';
import { createEmbeddedDriver } from '../../src/drivers/embedded/driver.ts';
import { messageOf } from '../../src/errors/error.ts';
import { noProgress, type VertexEvent } from '../../src/progress/events.ts';
import type { ExpectedStep, PreparedCase } from './cache_case.ts';

export interface CacheBuild {
  steps: ExpectedStep[];
  error: string | undefined;
  warnings: string[];
}

/** Hosts of the images that the golden data's Dockerfiles name. */
const MIRRORED = ['docker.io', 'gcr.example.com', 'mcr.example.com'];

/**
 * Builds with an empty store.
 * @param work a directory for the store and configuration; must not have been used before
 * @param registry `host:port` that stands in for the hosts of all images
 */
export async function buildCase(
  { context, flags }: PreparedCase,
  caches: { from?: string[]; to?: string[]; push?: string },
  work: string,
  registry: string,
): Promise<CacheBuild> {
  mkdirSync(work, { recursive: true });
  const config = join(work, 'cairn.toml');
  writeFileSync(config, MIRRORED.map((host) => `[registry."${host}"]\nmirrors = ["${registry}"]\n`).join(''));
  const prepared = await prepareBuild({
    context,
    flags: {
      ...flags,
      cacheFrom: caches.from ?? [],
      cacheTo: caches.to ?? [],
      ...(caches.push === undefined ? {} : { push: true as const, tag: [caches.push] }),
    },
    env: {},
    stdin: noInput(),
    stdoutIsTerminal: false,
    begin: () => {},
  });
  const vertices = new Map<string, VertexEvent>();
  const warnings: string[] = [];
  let error: string | undefined;
  const driver = await createEmbeddedDriver({ root: join(work, 'store'), config, env: process.env });
  try {
    const progress = {
      ...noProgress,
      vertex: (event: VertexEvent) => {
        // As a person sees it: one platform shows a vertex as not needed, for another it may run after that.
        const cached = event.cached === true || vertices.get(event.digest)?.cached === true;
        vertices.set(event.digest, { ...event, cached });
      },
      warning: ({ short }: { short: string }) => void warnings.push(short),
    };
    await driver.build(prepared.request, prepared.inputs, progress, new AbortController().signal);
  } catch (thrown) {
    error = messageOf(thrown);
  } finally {
    await driver.close();
    prepared.release();
  }
  return { steps: [...vertices.values()].map(stepOf), error, warnings };
}

async function* noInput(): AsyncGenerator<Uint8Array> {}

function stepOf({ name, started, completed, cached, error }: VertexEvent): ExpectedStep {
  if (cached === true) return { name, status: 'CACHED' };
  if (started === undefined) return { name, status: 'NOT-STARTED' };
  if (error !== undefined) return { name, status: 'ERROR' };
  return { name, status: completed === undefined ? 'STARTED' : 'DONE' };
}

/**
 * What is compared (README.md, "How to compare"): no sources, no names of platforms, sorted. Steps are what the
 * Dockerfile's instructions became: `[stage 2/4] RUN …`.
 */
export function comparable(steps: readonly ExpectedStep[]): string[] {
  return steps
    .filter(({ name, source }) => source !== true && /^\[[^\]]*\d+\/\d+\] (?!FROM )/.test(name))
    .map(({ name, status }) => `${name.replace(/^\[linux\/\S+ /, '[')}: ${status}`)
    .toSorted();
}
