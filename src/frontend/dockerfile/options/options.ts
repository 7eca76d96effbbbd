/**
 * The frontend's attributes, read and checked (BuildKit v0.32.2, package frontend/dockerui, attr.go and
 * config.go). Their names and the texts of errors are part of the interface between a client and BuildKit.
 */
import { CairnError, messageOf } from '../../../errors/error.ts';
import type { ResolveMode } from '../../../llb/builder/source.ts';
import { NetMode } from '../../../llb/gen/ops_pb.js';
import type { HostIP, LinuxResources, Platform, Ulimit } from '../../../llb/gen/ops_pb.js';
import { hostPlatform, normalizePlatform, parsePlatform } from '../../../llb/platform.ts';
import type { Gateway } from '../contract.ts';
import { parseLintConfig } from '../lint/config.ts';
import type { LintConfig } from '../lint/contract.ts';
import { parseGoBool } from '../text/numbers.ts';
import { checkAttestations } from './attestations.ts';
import { parseExtraHosts } from './hosts.ts';
import { parseInt64 } from './int.ts';
import { parseLinuxResources, parseUlimits } from './limits.ts';

export interface FrontendOptions {
  buildArgs: ReadonlyMap<string, string>;
  labels: ReadonlyMap<string, string>;
  /** Before the id of every cache mount. */
  cacheIdNamespace: string;
  cgroupParent: string;
  extraHosts: readonly HostIP[];
  hostname: string;
  resolveMode: ResolveMode;
  networkMode: NetMode;
  /** Bytes; 0: the runtime's default. */
  shmSize: bigint;
  /** Stage to build; empty: the last. */
  target: string;
  ulimits: readonly Ulimit[];
  linuxResources: LinuxResources | undefined;
  /** From BUILDKIT_DOCKERFILE_CHECK; undefined: the Dockerfile's own directive counts. */
  lintConfig: LintConfig | undefined;
  /** Empty: the build platform. */
  targetPlatforms: readonly Platform[];
  buildPlatform: Platform;
  /** The result is one image per platform, even for a single one. */
  multiPlatform: boolean;
  /** Stages that ignore the cache, `all`, or none. */
  noCache: 'all' | readonly string[];
}

/** What attributes are called in messages and in {@link Gateway.opts}. */
const LINT_ARG = 'build-arg:BUILDKIT_DOCKERFILE_CHECK';

/**
 * Reads the attributes that the conversion needs.
 * @throws CairnError USAGE; UNSUPPORTED for what this frontend does not do
 */
export function parseOptions(gateway: Pick<Gateway, 'opts' | 'workerPlatforms'>): FrontendOptions {
  const { opts } = gateway;
  refuseRemoved(opts);
  const targetPlatforms = parseTargetPlatforms(opts['platform'] ?? '');
  const resolveMode = parseResolveMode(opts['image-resolve-mode'] ?? '');
  const extraHosts = wrapped('failed to parse additional hosts', () =>
    parseExtraHosts(opts['add-hosts'] ?? ''),
  );
  const shmText = opts['shm-size'] ?? '';
  const shmSize = wrapped('failed to parse shm size', () => (shmText === '' ? 0n : parseInt64(shmText)));
  const ulimits = wrapped('failed to parse ulimit', () => parseUlimits(opts['ulimit'] ?? ''));
  const linuxResources = wrapped('failed to parse resource limits', () => parseLinuxResources(opts));
  const networkMode = parseNetMode(opts['force-network-mode'] ?? '');
  const multiPlatform = parseMultiPlatform(opts, targetPlatforms.length > 1);
  checkAttestations(opts);
  const lintText = opts[LINT_ARG];
  return {
    buildArgs: withPrefix(opts, 'build-arg:'),
    labels: withPrefix(opts, 'label:'),
    cacheIdNamespace: opts['build-arg:BUILDKIT_CACHE_MOUNT_NS'] ?? '',
    cgroupParent: opts['cgroup-parent'] ?? '',
    extraHosts,
    hostname: nonEmpty(opts['build-arg:BUILDKIT_SANDBOX_HOSTNAME']) ?? opts['hostname'] ?? '',
    resolveMode,
    networkMode,
    shmSize,
    target: opts['target'] ?? '',
    ulimits,
    linuxResources,
    lintConfig:
      lintText === undefined
        ? undefined
        : wrapped(`failed to parse ${LINT_ARG}`, () => parseLintConfig(lintText)),
    targetPlatforms,
    buildPlatform: gateway.workerPlatforms[0] ?? normalizePlatform(hostPlatform()),
    multiPlatform,
    noCache: parseNoCache(opts['no-cache']),
  };
}

/** Whether a stage of this name ignores the cache. Unnamed stages do only when all stages do. */
export function ignoresCache(options: FrontendOptions, stage: string): boolean {
  const { noCache } = options;
  return noCache === 'all' || noCache.some((name) => name.toLowerCase() === stage.toLowerCase());
}

function refuseRemoved(opts: Readonly<Record<string, string>>): void {
  if ((opts['override-copy-image'] ?? '') !== '') {
    throw usage('support for "override-copy-image" was removed in BuildKit 0.11');
  }
  if (parseGoBool(opts['build-arg:BUILDKIT_DISABLE_FILEOP'] ?? '') === true) {
    throw usage('support for "BUILDKIT_DISABLE_FILEOP" build-arg was removed in BuildKit 0.11');
  }
}

function parseTargetPlatforms(value: string): Platform[] {
  if (value === '') return [];
  return value
    .split(',')
    .map((text) =>
      normalizePlatform(wrapped(`failed to parse target platform ${text}`, () => parsePlatform(text))),
    );
}

function parseResolveMode(value: string): ResolveMode {
  if (value === '' || value === 'default') return 'default';
  if (value === 'pull' || value === 'local') return value;
  throw usage(`invalid image-resolve-mode: ${value}`);
}

function parseNetMode(value: string): NetMode {
  switch (value) {
    case '':
    case 'sandbox':
      return NetMode.UNSET;
    case 'none':
      return NetMode.NONE;
    case 'host':
      return NetMode.HOST;
    default:
      throw usage(`invalid netmode ${value}`);
  }
}

function parseMultiPlatform(opts: Readonly<Record<string, string>>, several: boolean): boolean {
  const value = nonEmpty(opts['build-arg:BUILDKIT_MULTI_PLATFORM']) ?? nonEmpty(opts['multi-platform']);
  if (value === undefined) return several;
  const wanted = parseGoBool(value);
  if (wanted === undefined) throw usage(`invalid boolean value for multi-platform: ${value}`);
  if (!wanted && several) {
    throw usage('conflicting config: returning multiple target platforms is not allowed');
  }
  return wanted;
}

function parseNoCache(value: string | undefined): 'all' | string[] {
  if (value === undefined) return [];
  return value === '' ? 'all' : value.split(',');
}

function withPrefix(opts: Readonly<Record<string, string>>, prefix: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(opts)) {
    if (key.startsWith(prefix)) found.set(key.slice(prefix.length), value);
  }
  return found;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

function wrapped<T>(prefix: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw usage(`${prefix}: ${messageOf(error)}`, error);
  }
}

function usage(message: string, cause?: unknown): CairnError {
  return new CairnError(message, { code: 'USAGE', cause });
}
