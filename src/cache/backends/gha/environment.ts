/** What a GitHub job says to its steps, and what buildx makes of it (build/opt.go, v0.36.1). */
import { messageOf } from '../../../errors/error.ts';
import type { Side } from '../contract.ts';
import { parseToken, writableScope } from './token.ts';

type Attributes = Readonly<Record<string, string>>;

/** What Go's strconv.ParseBool takes for false. */
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/**
 * The entry with what the environment adds to it; or why it cannot be used here. What cannot be used is dropped,
 * except where a failed export was asked to fail the build: then opening it will say the same.
 */
export function fromEnvironment(
  given: Attributes,
  env: NodeJS.ProcessEnv,
  side: Side,
): { attrs: Record<string, string> } | { dropped: string } {
  const attrs = withEnvironment(given, env);
  const reason = missing(attrs, env) ?? refusal(attrs, env, side);
  const strict = side === 'to' && FALSE.has(given['ignore-error'] ?? '');
  return reason === undefined || strict ? { attrs } : { dropped: reason };
}

function withEnvironment(given: Attributes, env: NodeJS.ProcessEnv): Record<string, string> {
  const attrs = { ...given };
  const service = env['ACTIONS_CACHE_SERVICE_V2'] ?? '';
  // GitHub's own client takes any text for true, buildx what Go takes for true.
  const version = attrs['version'] ?? (service !== '' && !FALSE.has(service) ? '2' : '');
  const results = env['ACTIONS_RESULTS_URL'] ?? '';
  add(attrs, 'token', env['ACTIONS_RUNTIME_TOKEN'] ?? '');
  if (version === '2') add(attrs, 'url_v2', results);
  add(attrs, 'url', env['ACTIONS_CACHE_URL'] ?? '');
  add(attrs, 'url', results);
  return attrs;
}

function add(attrs: Record<string, string>, name: string, value: string): void {
  if ((attrs[name] ?? '') === '' && value !== '') attrs[name] = value;
}

/** Which of the values without which there is no cache are not there. */
function missing({ token = '', url = '', url_v2: urlV2 = '' }: Attributes, env: NodeJS.ProcessEnv) {
  const absent = [
    ...(token === '' ? ['ACTIONS_RUNTIME_TOKEN (or token=)'] : []),
    ...(url === '' && urlV2 === '' ? ['ACTIONS_RESULTS_URL (or url_v2=)'] : []),
  ];
  if (absent.length === 0) return undefined;
  const where =
    env['GITHUB_ACTIONS'] === 'true'
      ? 'run: steps do not see them unless a step before hands them on, as crazy-max/ghaction-github-runtime does'
      : 'this is not a GitHub job';
  return `${absent.join(' and ')} not set: ${where}`;
}

/** Why the job may not do what the entry is for: no request is needed to know it. */
export function refusal(attrs: Attributes, env: NodeJS.ProcessEnv, side: Side): string | undefined {
  const { token = '' } = attrs;
  // The mode is that of the job's own token.
  const mode = token === env['ACTIONS_RUNTIME_TOKEN'] ? (env['ACTIONS_CACHE_MODE'] ?? '') : '';
  const without = side === 'to' ? ['read', 'none'] : ['write-only', 'none'];
  if (without.includes(mode))
    return `ACTIONS_CACHE_MODE=${mode}: this job may not ${side === 'to' ? 'write' : 'read'} caches`;
  if (side === 'from' || token === '') return undefined;
  try {
    if (writableScope(parseToken(token)) !== undefined) return undefined;
  } catch (error) {
    return messageOf(error);
  }
  return 'the token has no scope that it may write to: GitHub gives read-only tokens to pull requests from forks and other untrusted events';
}
