/** Builds in a GitHub job: everything comes from the environment. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { startGithubCache, type GithubCache } from '../servers/github_cache.ts';
import { buildImage, type Built } from './build.ts';
import { testFaults } from './faults.ts';

let images: RegistryServer;
let server: GithubCache;

before(async () => {
  images = await startBaseImageRegistry();
  server = await startGithubCache();
});
after(async () => {
  await server.stop();
  await images.stop();
});

/** What GitHub sets for the steps of a job. */
function job(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return {
    GITHUB_ACTIONS: 'true',
    ACTIONS_CACHE_SERVICE_V2: 'true',
    ACTIONS_RESULTS_URL: server.url,
    ACTIONS_RUNTIME_TOKEN: server.token(),
    ...more,
  };
}

function build(scope: string, env: NodeJS.ProcessEnv, extra = ''): Promise<Built> {
  const entry = `type=gha,scope=${scope}`;
  return buildImage(images.host, { to: [`${entry},mode=max${extra}`], from: [entry], env });
}

test('a build in a new store finds what the last one exported, and writes nothing', async () => {
  const first = await build('app', job());
  assert.deepEqual([first.error, first.warnings, first.hit], [undefined, [], []]);
  const entries = server.entries().length;
  server.requests.length = 0;
  const second = await build('app', job());
  assert.deepEqual([second.error, second.warnings, second.ran], [undefined, [], []]);
  assert.deepEqual(new Set(second.caches), new Set(['gha:app']));
  assert.equal(second.digest, first.digest);
  assert.equal(server.entries().length, entries);
  assert.ok(server.requests.every(({ url }) => !url.includes('Create')));
});

test('of two services that have a cache of one name both are asked, and told apart', async () => {
  const nowhere = 'type=gha,scope=app,url_v2=http://127.0.0.1:1/';
  const found = await buildImage(images.host, { from: [nowhere, 'type=gha,scope=app'], env: job() });
  assert.deepEqual([found.error, found.ran], [undefined, []]);
  assert.deepEqual(new Set(found.caches), new Set(['gha:app (2)']));
  assert.equal(found.warnings.length, 1);
  assert.match(found.warnings[0] ?? '', /^cache gha:app cannot be imported: .* connection refused$/);
});

test('a listing that is refused costs a warning that names the cache', async () => {
  const env = job({ GITHUB_API_URL: server.url });
  const built = await build('app', env, ',repository=o/r,ghtoken=wrong-token');
  assert.deepEqual([built.error, built.ran], [undefined, []]);
  assert.equal(built.warnings.length, 1);
  assert.match(built.warnings[0] ?? '', /^cache gha:app: the repository's entries cannot be listed.*401/);
});

test('version 1 does the same, where the job has it', async () => {
  const { ACTIONS_CACHE_SERVICE_V2: _, ...env } = job();
  const one = { ...env, ACTIONS_RESULTS_URL: undefined, ACTIONS_CACHE_URL: server.url };
  assert.equal((await build('one', one)).error, undefined);
  const second = await build('one', one);
  assert.deepEqual([second.error, second.ran], [undefined, []]);
  assert.ok(server.requests.some(({ url }) => url.startsWith('/_apis/artifactcache/caches')));
});

test('a job that may only read imports, and is told once that it does not export', async () => {
  const read = [
    { Scope: 'refs/pull/1/merge', Permission: 1 },
    { Scope: 'refs/heads/main', Permission: 1 },
  ];
  await build('read', job());
  for (const env of [
    job({ ACTIONS_RUNTIME_TOKEN: server.token(read) }),
    job({ ACTIONS_CACHE_MODE: 'read' }),
  ]) {
    server.requests.length = 0;
    const built = await build('read', env);
    assert.deepEqual([built.error, built.ran], [undefined, []]);
    assert.equal(built.warnings.length, 1);
    assert.match(
      built.warnings[0] ?? '',
      /^no cache for --cache-to type=gha: (the token has no scope|ACTIONS_CACHE_MODE=read)/,
    );
    assert.ok(server.requests.every(({ url }) => !url.includes('Create')));
  }
});

test('ignore-error=false makes a token that may only read an error', async () => {
  const token = server.token([{ Scope: 'refs/heads/main', Permission: 1 }]);
  const built = await build('strict', job({ ACTIONS_RUNTIME_TOKEN: token }), ',ignore-error=false');
  assert.match(built.error ?? '', /no scope that it may write to/);
});

test('an export that GitHub refuses is a warning', async () => {
  server.fault = ({ url = '' }) =>
    url.endsWith('/CreateCacheEntry')
      ? { status: 403, body: '{"code":"permission_denied","msg":"no"}' }
      : undefined;
  try {
    const built = await build('refused', job());
    assert.equal(built.error, undefined);
    assert.equal(built.warnings.length, 1);
    assert.match(
      built.warnings[0] ?? '',
      /^cache gha:refused was not exported: .*403 Forbidden: permission_denied/,
    );
  } finally {
    server.fault = undefined;
  }
});

test('outside of a job the build goes on without a cache, and one warning says why', async () => {
  const env = Object.fromEntries(Object.keys(job()).map((name) => [name, '']));
  const built = await build('none', env);
  assert.equal(built.error, undefined);
  assert.equal(built.warnings.length, 1);
  assert.match(
    built.warnings[0] ?? '',
    /^no cache for --cache-to and --cache-from type=gha: ACTIONS_RUNTIME_TOKEN/,
  );
});

testFaults('gha', async () => {
  const github = await startGithubCache();
  const entry = (host: string): string =>
    `type=gha,timeout=10s,url_v2=http://${host},token=${github.token()},scope=faults`;
  const keyOf = (url: string): string => {
    const id = Number(/^\/actions-cache\/(\d+)/.exec(url)?.[1]);
    return github.entries().find((row) => row.id === id)?.key ?? '';
  };
  return {
    target: github.host,
    to: `${entry(github.host)},mode=max`,
    from: entry,
    isIndex: ({ url }) => keyOf(url).startsWith('index-'),
    isLayer: ({ url }, layers) => layers.some((digest) => keyOf(url).endsWith(digest)),
    stop: github.stop,
  };
});
