/** Flags of one invocation → the build request and what the client offers. */
import { randomUUID } from 'node:crypto';
import { CairnError, messageOf } from '../../errors/error.ts';
import type { BuildRequest } from '../../engine/contract.ts';
import type { ClientInputs } from '../../drivers/contract.ts';
import { formatReference, parseReference } from '../../registry/reference.ts';
import { parseBool, parseMemory } from '../go_values.ts';
import { annotations, entitlements, extraHosts, keyValues, ulimits } from './attributes.ts';
import { checkCacheEntries, parseCacheEntries } from './cache_entries.ts';
import { parseCall, type Call } from './call.ts';
import { parseBuildContexts, prepareContexts } from './contexts.ts';
import { refuseDeleting } from './deleting_outputs.ts';
import type { BuildFlags } from './flags.ts';
import { parseOutputs, type Output } from './outputs.ts';
import { resourceLimits } from './resource_limits.ts';
import { parseSecrets, parseSsh } from './secrets.ts';

export interface PreparedBuild {
  request: BuildRequest;
  inputs: ClientInputs;
  call: Call | undefined;
  /** Nothing was said about where the result goes. */
  noOutput: boolean;
  dockerfileName: string;
  release(): void;
}

export interface Invocation {
  /** PATH, URL or `-`. */
  context: string;
  flags: BuildFlags;
  env: NodeJS.ProcessEnv;
  stdin: AsyncIterable<Uint8Array>;
  stdoutIsTerminal: boolean;
  /** Called when all values could be read: what is refused after that is what they name. */
  begin?: () => void;
}

const usage = (message: string, hint?: string) => new CairnError(message, { code: 'USAGE', hint });

/** @throws CairnError USAGE, UNSUPPORTED; nothing was made then */
export async function prepareBuild({
  context,
  flags,
  env,
  stdin,
  stdoutIsTerminal,
  begin,
}: Invocation): Promise<PreparedBuild> {
  refuseUnsupported(flags, env);
  const call = parseCall(flags.call);
  const buildArgs = keyValues(flags.buildArg, '--build-arg', env);
  const epoch = env['SOURCE_DATE_EPOCH'];
  if (epoch !== undefined && epoch !== '') buildArgs['SOURCE_DATE_EPOCH'] ??= epoch;
  if (buildArgs['BUILDKIT_SYNTAX']?.trim() === '') {
    throw usage('empty BUILDKIT_SYNTAX build-arg is invalid', "leave the '=' out where it may be unset");
  }
  const valueAttrs = valueAttributes(flags, buildArgs);
  const cacheTo = parseCacheEntries(flags.cacheTo, '--cache-to');
  if (parseBool(buildArgs['BUILDKIT_INLINE_CACHE'] ?? '') === true)
    cacheTo.push({ type: 'inline', attrs: {} });
  const cacheFrom = parseCacheEntries(flags.cacheFrom, '--cache-from');
  const secrets = parseSecrets(flags.secret);
  const buildContexts = parseBuildContexts(flags.buildContext);
  begin?.();

  const outputs = parseOutputs({
    outputs: flags.output,
    push: flags.push === true,
    load: flags.load === true,
    stdoutIsTerminal,
  });
  if (flags.iidfile !== '' && outputs.some(({ export: { type } }) => type === 'local' || type === 'tar')) {
    throw usage('local and tar exporters are incompatible with image ID file');
  }
  if (flags.cacheReport === '-' && outputs.some(({ place: { kind } }) => kind === 'stdout'))
    throw usage('multiple outputs configured to write to stdout');
  nameImages(outputs, flags.tag);
  const imageAnnotations = annotations(flags.annotation);
  for (const {
    export: { attrs },
  } of outputs)
    Object.assign(attrs, imageAnnotations);

  const allowed = entitlements(flags.allow);
  if (!allowed.localDelete) refuseDeleting(outputs);

  const cacheLenient = flags.cacheLenient === true;
  await checkCacheEntries(cacheTo, 'to', { env, lenient: cacheLenient });
  await checkCacheEntries(cacheFrom, 'from', { env, lenient: cacheLenient });

  const platforms = await targetPlatforms(flags.platform);
  refuseManifestLists(outputs, platforms);
  const frontendAttrs = { ...valueAttrs, ...frontendAttributes(flags, platforms) };
  if (flags.network === 'host') allowed.entitlements.push('network.host');
  const ssh = parseSsh(flags.ssh);
  if (ssh.length === 0 && /^(ssh:\/\/|[\w.-]+@[\w.-]+:)/.test(context))
    ssh.push({ id: 'default', paths: [] });
  const contexts = await prepareContexts({
    context,
    file: flags.file,
    buildContexts,
    policyDisabled: flags.policy.some(isDisabled),
    stdin,
  });
  const exports = outputs.filter(({ export: { type } }) => type !== 'cacheonly');
  return {
    request: {
      ref: randomUUID().replaceAll('-', ''),
      frontendAttrs: { ...frontendAttrs, ...contexts.frontendAttrs },
      exports: call === undefined ? exports.map((output) => output.export) : [],
      cacheTo: call === undefined ? cacheTo : [],
      cacheFrom,
      ...(cacheLenient ? { cacheLenient } : {}),
      entitlements: allowed.entitlements,
      ...(call === undefined ? {} : { subrequest: { name: call.name } }),
    },
    inputs: {
      localDirectories: contexts.localDirectories,
      ociLayouts: contexts.ociLayouts,
      uploads: contexts.uploads,
      secrets,
      ssh,
      outputs: exports.map((output) => output.place),
    },
    call,
    noOutput: outputs.length === 0 && call === undefined,
    dockerfileName: contexts.dockerfileName,
    release: () => contexts.release(),
  };
}

/** Those whose values are checked without a look at what they name. */
function valueAttributes(flags: BuildFlags, buildArgs: Record<string, string>): Record<string, string> {
  const attrs: Record<string, string> = {};
  if (parseBool(buildArgs['BUILDKIT_MULTI_PLATFORM'] ?? '') === true) attrs['multi-platform'] = 'true';
  for (const [key, value] of Object.entries(buildArgs)) attrs[`build-arg:${key}`] = value;
  for (const [key, value] of Object.entries(keyValues(flags.label, '--label'))) attrs[`label:${key}`] = value;
  if (flags.shmSize !== '') {
    const bytes = parseMemory(flags.shmSize, '--shm-size');
    if (bytes > 0) attrs['shm-size'] = String(bytes);
  }
  const limits = ulimits(flags.ulimit);
  if (limits !== '') attrs['ulimit'] = limits;
  return attrs;
}

/** Comma lists taken apart, names spelt out. @throws CairnError USAGE for what is no platform */
async function targetPlatforms(values: readonly string[]): Promise<string[]> {
  const names = values.flatMap((value) => value.split(','));
  if (names.length === 0) return [];
  const { formatPlatform, hostPlatform, parsePlatform } = await import('../../llb/platform.ts');
  return names.map((name) => {
    if (name.toLowerCase() === 'local') return formatPlatform(hostPlatform());
    try {
      parsePlatform(name);
      return name;
    } catch (cause) {
      throw new CairnError(`invalid value of --platform: ${messageOf(cause)}`, {
        code: 'USAGE',
        hint: 'write OS/ARCHITECTURE, e.g. linux/arm64',
        cause,
      });
    }
  });
}

/** @throws CairnError USAGE for what `docker load` cannot take */
function refuseManifestLists(outputs: readonly Output[], platforms: readonly string[]): void {
  if (platforms.length < 2 || !outputs.some(({ export: { type } }) => type === 'docker')) return;
  throw usage(
    'docker exporter does not currently support exporting manifest lists',
    'build one platform, or use --output type=oci',
  );
}

function frontendAttributes(flags: BuildFlags, platforms: readonly string[]): Record<string, string> {
  const attrs: Record<string, string> = {};
  const set = (key: string, value: string) => {
    if (value !== '') attrs[key] = value;
  };
  set('cgroup-parent', flags.cgroupParent);
  if (flags.pull === true) attrs['image-resolve-mode'] = 'pull';
  set('target', flags.target);
  if (flags.noCache === true && flags.noCacheFilter.length > 0) {
    throw usage('--no-cache and --no-cache-filter cannot currently be used together');
  }
  set('no-cache', flags.noCacheFilter.join(','));
  if (flags.noCache === true) attrs['no-cache'] = '';
  set('platform', platforms.join(','));
  if (flags.network === 'host' || flags.network === 'none') attrs['force-network-mode'] = flags.network;
  else if (flags.network !== 'default' && flags.network !== '') {
    throw usage(`network mode ${JSON.stringify(flags.network)} not supported: must be default, host or none`);
  }
  set(
    'add-hosts',
    extraHosts(
      flags.addHost
        .filter((value) => value !== '')
        .flatMap((value) => (value.includes('=') ? [value] : value.split(','))),
    ),
  );
  Object.assign(attrs, resourceLimits(flags));
  return attrs;
}

/** Puts the tags into the image exporters' `name`. */
function nameImages(outputs: Output[], tags: string[]): void {
  const names = tags.map((tag) => {
    try {
      return formatReference(parseReference(tag));
    } catch (cause) {
      throw new CairnError(
        `invalid tag ${JSON.stringify(tag)}: ${cause instanceof Error ? cause.message : ''}`,
        { code: 'USAGE', cause },
      );
    }
  });
  for (const {
    export: { type, attrs },
  } of outputs) {
    if (type !== 'image' && type !== 'oci' && type !== 'docker') continue;
    if (names.length > 0) attrs['name'] = names.join(',');
    else if (type === 'image' && (attrs['name'] ?? '') === '' && parseBool(attrs['push'] ?? '') === true) {
      throw usage('tag is needed when pushing to registry', 'add -t REGISTRY/NAME:TAG');
    }
  }
}

/** Names a file by which docker buildx allows, refuses and replaces sources. */
const SOURCE_POLICY = 'EXPERIMENTAL_BUILDKIT_SOURCE_POLICY';

function isDisabled(value: string): boolean {
  return /(^|,)disabled=(true|1)(,|$)/.test(value);
}

function refuseUnsupported(flags: BuildFlags, env: NodeJS.ProcessEnv): void {
  const off = (value: string) => value === '' || parseBool(value) === false;
  const attestation = [...flags.attest];
  if (!off(flags.provenance)) attestation.push(`type=provenance,${flags.provenance}`);
  if (!off(flags.sbom)) attestation.push(`type=sbom,${flags.sbom}`);
  for (const value of attestation) {
    if (isDisabled(value)) continue;
    throw new CairnError(`attestations are not supported: ${JSON.stringify(value)}`, {
      code: 'UNSUPPORTED',
      hint: 'leave --attest, --provenance and --sbom out, or set them to false',
    });
  }
  if (flags.policy.some((value) => !isDisabled(value))) {
    throw new CairnError('--policy is not supported', {
      code: 'UNSUPPORTED',
      hint: 'leave it out, or say --policy disabled=true',
    });
  }
  if ((env[SOURCE_POLICY] ?? '') !== '') {
    throw new CairnError(`source policies are not supported: ${SOURCE_POLICY} is set`, {
      code: 'UNSUPPORTED',
      hint: `to build without it, unset ${SOURCE_POLICY}`,
    });
  }
}
