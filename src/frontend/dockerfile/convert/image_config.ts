/**
 * Image configs as BuildKit reads and writes them: the fields of Docker's image specification v1.3 in the order
 * in which Go's encoding/json writes that struct, everything else dropped.
 */
import { checkTime } from './history.ts';
import { CairnError, messageOf } from '../../../errors/error.ts';
import { goJson } from '../../../llb/go_json.ts';
import { sortKeys } from '../../../llb/marshal.ts';
import type { Platform } from '../../../llb/gen/ops_pb.js';
import { normalizePlatform, platformOf } from '../../../llb/platform.ts';
import { JsonFields } from './json_fields.ts';

declare global {
  interface JSON {
    /** A number's text as it is (ECMAScript 2026; Node 22). */
    rawJSON(text: string): unknown;
  }
}

export interface HistoryEntry {
  /** RFC 3339. */
  created?: string | undefined;
  createdBy?: string;
  author?: string;
  comment?: string;
  emptyLayer?: boolean;
}

export interface Healthcheck {
  test: string[];
  /** Nanoseconds; 0: inherited. So are the next three. */
  interval: bigint;
  timeout: bigint;
  startPeriod: bigint;
  startInterval: bigint;
  retries: number;
}

/** What a container gets: the `config` object. */
export interface ContainerConfig {
  user: string;
  exposedPorts: Set<string>;
  env: string[];
  entrypoint: string[];
  cmd: string[];
  volumes: Set<string>;
  workingDir: string;
  labels: Map<string, string>;
  stopSignal: string;
  argsEscaped: boolean;
  healthcheck: Healthcheck | undefined;
  onBuild: string[];
  shell: string[];
}

export interface ImageConfig {
  /** RFC 3339. */
  created: string | undefined;
  author: string;
  platform: Platform;
  rootfs: { type: string; diffIds: string[] | undefined };
  history: HistoryEntry[];
  config: ContainerConfig;
}

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A config with nothing in it. */
export function blankImage(): ImageConfig {
  return {
    created: undefined,
    author: '',
    platform: platformOf({ OS: '', Architecture: '' }),
    rootfs: { type: '', diffIds: undefined },
    history: [],
    config: {
      user: '',
      exposedPorts: new Set(),
      env: [],
      entrypoint: [],
      cmd: [],
      volumes: new Set(),
      workingDir: '',
      labels: new Map(),
      stopSignal: '',
      argsEscaped: false,
      healthcheck: undefined,
      onBuild: [],
      shell: [],
    },
  };
}

/** The config of `FROM scratch`. */
export function scratchImage(platform: Platform): ImageConfig {
  const image = blankImage();
  image.platform = platform;
  image.rootfs.type = 'layers';
  image.config.workingDir = '/';
  if (platform.OS !== 'windows') image.config.env = [`PATH=${DEFAULT_PATH}`];
  return image;
}

/** A copy that shares nothing that is ever changed. */
export function cloneImage(image: ImageConfig): ImageConfig {
  const { config } = image;
  return {
    ...image,
    rootfs: { ...image.rootfs },
    history: [...image.history],
    config: {
      ...config,
      exposedPorts: new Set(config.exposedPorts),
      env: [...config.env],
      entrypoint: [...config.entrypoint],
      cmd: [...config.cmd],
      volumes: new Set(config.volumes),
      labels: new Map(config.labels),
      onBuild: [...config.onBuild],
      shell: [...config.shell],
      healthcheck: config.healthcheck && { ...config.healthcheck, test: [...config.healthcheck.test] },
    },
  };
}

/**
 * Reads a config. Keys match without regard to case, as in Go; unknown ones are ignored.
 * @throws CairnError CORRUPT when it is no JSON object or a field has another type
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new CairnError(messageOf(error), { code: 'CORRUPT', cause: error });
  }
  const top = new JsonFields(json);
  const config = top.object('config');
  const health = config.has('Healthcheck') ? config.object('Healthcheck') : undefined;
  const rootfs = top.object('rootfs');
  return {
    created: top.time('created'),
    author: top.string('author'),
    platform: platformOf({
      Architecture: top.string('architecture'),
      OS: top.string('os'),
      OSVersion: top.string('os.version'),
      OSFeatures: top.strings('os.features'),
      Variant: top.string('variant'),
    }),
    rootfs: {
      type: rootfs.string('type'),
      diffIds: rootfs.has('diff_ids') ? rootfs.strings('diff_ids') : undefined,
    },
    history: top.objects('history').map((entry) => ({
      created: entry.time('created'),
      createdBy: entry.string('created_by'),
      author: entry.string('author'),
      comment: entry.string('comment'),
      emptyLayer: entry.boolean('empty_layer'),
    })),
    config: {
      user: config.string('User'),
      exposedPorts: new Set(Object.keys(config.map('ExposedPorts'))),
      env: config.strings('Env'),
      entrypoint: config.strings('Entrypoint'),
      cmd: config.strings('Cmd'),
      volumes: new Set(Object.keys(config.map('Volumes'))),
      workingDir: config.string('WorkingDir'),
      labels: new Map(Object.entries(config.stringMap('Labels'))),
      stopSignal: config.string('StopSignal'),
      argsEscaped: config.boolean('ArgsEscaped'),
      healthcheck: health && {
        test: health.strings('Test'),
        interval: health.integer('Interval'),
        timeout: health.integer('Timeout'),
        startPeriod: health.integer('StartPeriod'),
        startInterval: health.integer('StartInterval'),
        retries: Number(health.integer('Retries')),
      },
      onBuild: config.strings('OnBuild'),
      shell: config.strings('Shell'),
    },
  };
}

/** The JSON text of a config. @throws DockerfileError when a time is out of range */
export function encodeImageConfig(image: ImageConfig): string {
  const { platform, rootfs, config } = image;
  return goJson({
    created: image.created,
    author: unlessEmpty(image.author),
    architecture: platform.Architecture,
    os: platform.OS,
    'os.version': unlessEmpty(platform.OSVersion),
    'os.features': unlessEmpty(platform.OSFeatures),
    variant: unlessEmpty(platform.Variant),
    rootfs: { type: rootfs.type, diff_ids: rootfs.diffIds ?? null },
    history: unlessEmpty(
      image.history.map((entry) => ({
        created: checkTime(entry.created),
        created_by: unlessEmpty(entry.createdBy ?? ''),
        author: unlessEmpty(entry.author ?? ''),
        comment: unlessEmpty(entry.comment ?? ''),
        empty_layer: unlessFalse(entry.emptyLayer ?? false),
      })),
    ),
    config: {
      User: unlessEmpty(config.user),
      ExposedPorts: setObject(config.exposedPorts),
      Env: unlessEmpty(config.env),
      Entrypoint: unlessEmpty(config.entrypoint),
      Cmd: unlessEmpty(config.cmd),
      Volumes: setObject(config.volumes),
      WorkingDir: unlessEmpty(config.workingDir),
      Labels: mapObject(config.labels),
      StopSignal: unlessEmpty(config.stopSignal),
      ArgsEscaped: unlessFalse(config.argsEscaped),
      Healthcheck: config.healthcheck && healthcheckObject(config.healthcheck),
      OnBuild: unlessEmpty(config.onBuild),
      Shell: unlessEmpty(config.shell),
    },
  });
}

/** The normal form of the platform that a config names. */
export function normalizeImagePlatform(image: ImageConfig): void {
  image.platform = normalizePlatform(image.platform);
}

function healthcheckObject(health: Healthcheck): object {
  return {
    Test: unlessEmpty(health.test),
    Interval: unlessZero(health.interval),
    Timeout: unlessZero(health.timeout),
    StartPeriod: unlessZero(health.startPeriod),
    StartInterval: unlessZero(health.startInterval),
    Retries: unlessZero(BigInt(health.retries)),
  };
}

function unlessEmpty<T extends string | readonly unknown[]>(value: T): T | undefined {
  return value.length === 0 ? undefined : value;
}

function unlessFalse(value: boolean): boolean | undefined {
  return value ? true : undefined;
}

/** Exact at any size: a number would round nanoseconds beyond 104 days. */
function unlessZero(value: bigint): unknown {
  return value === 0n ? undefined : JSON.rawJSON(value.toString());
}

function setObject(set: ReadonlySet<string>): object | undefined {
  return mapObject(new Map([...set].map((key) => [key, {}])));
}

function mapObject(map: ReadonlyMap<string, unknown>): object | undefined {
  return map.size === 0 ? undefined : sortKeys(Object.fromEntries(map));
}
