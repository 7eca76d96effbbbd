/** Build arguments that count before the first stage: predefined ones and the ARGs above FROM. */
import { create } from '@bufbuild/protobuf';
import { EnvList } from '../../../llb/builder/env.ts';
import { ProxyEnvSchema } from '../../../llb/gen/ops_pb.js';
import type { Platform, ProxyEnv } from '../../../llb/gen/ops_pb.js';
import { formatPlatform, formatPlatformFull } from '../../../llb/platform.ts';
import { compareUtf8 } from '../../../llb/marshal.ts';
import type { ArgCommand } from '../instructions/types.ts';
import { withLocation } from '../parser/error.ts';
import type { Lex } from '../shell/lex.ts';
import type { ArgInfo } from './outline_capture.ts';

/** Arguments that configure the frontend and never become variables of a stage. */
export const NON_ENV_ARGS: ReadonlySet<string> = new Set([
  'BUILDKIT_SBOM_SCAN_CONTEXT',
  'BUILDKIT_SBOM_SCAN_STAGE',
]);

/** BUILDPLATFORM, TARGETPLATFORM and their parts, unless build arguments say otherwise. */
export function predefinedArgs(
  build: Platform,
  target: Platform,
  overrides: ReadonlyMap<string, string>,
  stage: string,
): EnvList {
  const values: [string, string][] = [
    ['BUILDPLATFORM', formatPlatform(build)],
    ['BUILDOS', build.OS],
    ['BUILDOSVERSION', build.OSVersion],
    ['BUILDARCH', build.Architecture],
    ['BUILDVARIANT', build.Variant],
    ['TARGETPLATFORM', formatPlatformFull(target)],
    ['TARGETOS', target.OS],
    ['TARGETOSVERSION', target.OSVersion],
    ['TARGETARCH', target.Architecture],
    ['TARGETVARIANT', target.Variant],
    ['TARGETSTAGE', stage === '' ? 'default' : stage],
  ];
  return values.reduce((env, [key, value]) => env.set(key, overrides.get(key) ?? value), EnvList.empty);
}

/**
 * The ARGs above the first FROM, each seeing those before it.
 * @throws DockerfileError with the ARG's location
 */
export function globalArgs(
  predefined: EnvList,
  lex: Lex,
  commands: readonly ArgCommand[],
  buildArgs: ReadonlyMap<string, string>,
): { env: EnvList; infos: Map<string, ArgInfo> } {
  let env = predefined;
  const infos = new Map<string, ArgInfo>();
  for (const { args, location } of commands) {
    for (const { key, value, docComment } of args) {
      const given = buildArgs.get(key);
      let result = given;
      let deps: ReadonlySet<string> = new Set();
      if (given === undefined && value !== undefined) {
        const outcome = lex.tryWord(value, env);
        if (outcome.error !== undefined) throw withLocation(outcome.error, location);
        result = outcome.result;
        deps = withoutSelf(key, outcome.matched, infos.get(key));
      }
      if (result !== undefined) env = env.set(key, result);
      infos.set(key, { key, value: result ?? '', description: docComment, location, deps });
    }
  }
  return { env, infos };
}

/** An ARG that is defined by its earlier self depends on what that depended on. */
function withoutSelf(key: string, matched: ReadonlySet<string>, earlier: ArgInfo | undefined): Set<string> {
  const deps = new Set(matched);
  if (deps.delete(key)) for (const dep of earlier?.deps ?? []) deps.add(dep);
  return deps;
}

/** The proxy variables among the build arguments, which every RUN gets without an ARG; undefined: none. */
export function proxyEnv(buildArgs: ReadonlyMap<string, string>): ProxyEnv | undefined {
  const proxy = create(ProxyEnvSchema);
  let found = false;
  for (const key of [...buildArgs.keys()].sort(compareUtf8)) {
    const value = buildArgs.get(key) ?? '';
    switch (key.toLowerCase()) {
      case 'http_proxy':
        proxy.httpProxy = value;
        break;
      case 'https_proxy':
        proxy.httpsProxy = value;
        break;
      case 'ftp_proxy':
        proxy.ftpProxy = value;
        break;
      case 'no_proxy':
        proxy.noProxy = value;
        break;
      case 'all_proxy':
        proxy.allProxy = value;
        break;
      default:
        continue;
    }
    found = true;
  }
  return found ? proxy : undefined;
}
