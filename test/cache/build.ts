/** Small builds by the embedded driver, in stores of their own, for tests of caches. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withDefaults, type BuildFlags } from '../../src/cli/build/flags.ts';
import { prepareBuild } from '../../src/cli/build/request.ts';
import { createEmbeddedDriver } from '../../src/drivers/embedded/driver.ts';
import type { BuildResult } from '../../src/engine/contract.ts';
import { messageOf } from '../../src/errors/error.ts';
import { noProgress } from '../../src/progress/events.ts';

export interface Built {
  /** Of the image's manifest; the image's bytes are written out whole. */
  digest: string | undefined;
  metadata: Record<string, string>;
  /** Names of the Dockerfile's steps that ran, and of those that were found. */
  ran: string[];
  hit: string[];
  /** By step, which cache answered. */
  caches: string[];
  warnings: string[];
  /** Ids of statuses, e.g. `writing layer sha256:…`. */
  statuses: string[];
  error: string | undefined;
}

/** Text of a Dockerfile whose image is the same in every build: see EPOCH. */
export const DOCKERFILE = `FROM busybox
COPY a /a
RUN cat /a > /b
RUN echo second > /c
RUN echo third > /d
`;
/** With rewrite-timestamp, times of files do not depend on when the build ran. */
export const EPOCH = '1700000000';

export interface BuildOptions {
  dockerfile?: string;
  files?: Record<string, string>;
  from?: string[];
  to?: string[];
  /** Store to use; default: a new one that is removed afterwards. */
  store?: string;
  flags?: Partial<BuildFlags>;
  env?: NodeJS.ProcessEnv;
}

/** @param registry `host:port` that has the base images */
export async function buildImage(registry: string, options: BuildOptions = {}): Promise<Built> {
  const work = mkdtempSync(join(tmpdir(), 'cairn-cache-build-'));
  const context = join(work, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), options.dockerfile ?? DOCKERFILE);
  for (const [name, text] of Object.entries(options.files ?? { a: 'content\n' }))
    writeFileSync(join(context, name), text);
  const config = join(work, 'cairn.toml');
  writeFileSync(config, `[registry."docker.io"]\nmirrors = ["${registry}"]\n`);
  const statuses = new Set<string>();
  const built: Built = {
    digest: undefined,
    metadata: {},
    ran: [],
    hit: [],
    caches: [],
    warnings: [],
    statuses: [],
    error: undefined,
  };
  const prepared = await prepareBuild({
    context,
    flags: withDefaults(
      {
        output: [`type=oci,dest=${join(work, 'image.tar')},rewrite-timestamp=true`],
        buildArg: [`SOURCE_DATE_EPOCH=${EPOCH}`],
        cacheFrom: options.from ?? [],
        cacheTo: options.to ?? [],
        ...options.flags,
      },
      {},
    ),
    env: {},
    stdin: noInput(),
    stdoutIsTerminal: false,
    begin: () => {},
  });
  const driver = await createEmbeddedDriver({
    root: options.store ?? join(work, 'store'),
    config,
    env: { ...process.env, ...options.env },
  });
  try {
    const progress = {
      ...noProgress,
      status: ({ id }: { id: string }) => void statuses.add(id),
      warning: ({ short }: { short: string }) => void built.warnings.push(short),
    };
    const result = await driver.build(
      prepared.request,
      prepared.inputs,
      progress,
      new AbortController().signal,
    );
    built.metadata = result.metadata;
    built.digest = result.metadata['containerimage.digest'];
    report(result, built);
  } catch (error) {
    built.error = messageOf(error);
  } finally {
    await driver.close();
    prepared.release();
    rmSync(work, { recursive: true, force: true });
  }
  built.statuses = [...statuses];
  return built;
}

function report({ steps }: BuildResult, built: Built): void {
  for (const { name, status, cache } of steps) {
    if (!/^\[[^\]]*\d+\/\d+\] (?!FROM )/.test(name)) continue;
    (status === 'hit' ? built.hit : built.ran).push(name);
    if (cache !== undefined) built.caches.push(cache);
  }
}

async function* noInput(): AsyncGenerator<Uint8Array> {}
