/** Caches in registries that want to know who asks: basic authentication and bearer tokens, by docker's configuration. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import { startDockerRegistry, type RegistryServer } from '../servers/docker_registry.ts';
import { startTokenServer, type TokenServer } from '../servers/token_server.ts';
import { buildImage, DOCKERFILE, type Built } from './build.ts';

const ACCOUNT = { username: 'builder', password: 'pass-word' };
const auth = (password: string): string => Buffer.from(`${ACCOUNT.username}:${password}`).toString('base64');

describe('caches in registries with accounts', () => {
  let images: RegistryServer;
  let basic: RegistryServer;
  let tokens: TokenServer;
  let bearer: RegistryServer;
  let directory: string;
  let configs = 0;

  before(async () => {
    images = await startBaseImageRegistry();
    basic = await startDockerRegistry({ htpasswd: [ACCOUNT] });
    tokens = await startTokenServer({ [ACCOUNT.username]: ACCOUNT.password });
    bearer = await startDockerRegistry({ token: tokens.options });
    directory = mkdtempSync(join(tmpdir(), 'cairn-accounts-'));
  });
  after(async () => {
    await bearer.stop();
    await tokens.stop();
    await basic.stop();
    await images.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A machine with this as docker's config.json, and with no other accounts. */
  function machine(config: unknown, env: Record<string, string> = {}): NodeJS.ProcessEnv {
    const home = join(directory, String(configs++));
    mkdirSync(home);
    writeFileSync(join(home, 'config.json'), JSON.stringify(config));
    return { DOCKER_CONFIG: home, HOME: home, XDG_CONFIG_HOME: home, XDG_RUNTIME_DIR: home, ...env };
  }

  /** Knows the account, and notes what it is asked. */
  function credentialHelper(): { env: Record<string, string>; asked: () => string[] } {
    const path = join(directory, `bin${configs++}`);
    mkdirSync(path);
    const answer = JSON.stringify({ Username: ACCOUNT.username, Secret: ACCOUNT.password });
    writeFileSync(
      join(path, 'docker-credential-test'),
      `#!/bin/sh\nread host\necho "$1 $host" >> '${path}/asked'\necho '${answer}'\n`,
    );
    chmodSync(join(path, 'docker-credential-test'), 0o755);
    return {
      env: { PATH: `${path}${delimiter}${process.env['PATH'] ?? ''}` },
      asked: () => readFileSync(join(path, 'asked'), 'utf8').trim().split('\n'),
    };
  }

  /** An image and its cache, then again with nothing but these. */
  async function throughCache(host: string, env: NodeJS.ProcessEnv): Promise<Built[]> {
    const entry = `type=registry,ref=${host}/app:cache`;
    const flags = { output: [], push: true as const, tag: [`${host}/app:latest`] };
    const made = await buildImage(images.host, { to: [`${entry},mode=max`], flags, env });
    const found = await buildImage(images.host, {
      from: [entry],
      to: [`${entry},mode=max`],
      flags: { ...flags, tag: [`${host}/elsewhere:latest`] },
      env,
    });
    for (const { error, warnings } of [made, found]) {
      assert.equal(error, undefined);
      assert.deepEqual(warnings, []);
    }
    assert.equal(made.hit.length, 0);
    assert.deepEqual(found.ran, []);
    return [made, found];
  }

  test('basic authentication with an account of the configuration', async () => {
    await throughCache(basic.host, machine({ auths: { [basic.host]: { auth: auth(ACCOUNT.password) } } }));
  });

  test('basic authentication with an account of a credential helper', async () => {
    const helper = credentialHelper();
    await throughCache(basic.host, machine({ credHelpers: { [basic.host]: 'test' } }, helper.env));
    assert.deepEqual(new Set(helper.asked()), new Set([`get ${basic.host}`]));
  });

  for (const allowPost of [true, false]) {
    test(`tokens that are asked for by ${allowPost ? 'POST' : 'GET'}`, async () => {
      tokens.allowPost = allowPost;
      await throughCache(
        bearer.host,
        machine({ auths: { [bearer.host]: { auth: auth(ACCOUNT.password) } } }),
      );
    });
  }

  test('tokens are asked for once for each thing to do', async () => {
    tokens.allowPost = true;
    const env = machine({ credsStore: 'test' }, credentialHelper().env);
    const entry = `type=registry,ref=${bearer.host}/counted:cache,mode=max`;
    assert.equal((await buildImage(images.host, { to: [entry], env })).error, undefined);
    tokens.requests.length = 0;
    const found = await buildImage(images.host, { from: [entry.replace(',mode=max', '')], env });
    assert.deepEqual(found.ran, []);
    assert.deepEqual(tokens.requests, ['POST repository:counted:pull']);
  });

  test('what everybody may read is imported without an account', async () => {
    const owner = machine({ auths: { [bearer.host]: { auth: auth(ACCOUNT.password) } } });
    const entry = `type=registry,ref=${bearer.host}/public:cache`;
    assert.equal((await buildImage(images.host, { to: [`${entry},mode=max`], env: owner })).error, undefined);
    const nobody = machine({});
    const found = await buildImage(images.host, { from: [entry], env: nobody });
    assert.deepEqual(found.ran, []);
    assert.deepEqual(found.warnings, []);
    // Writing is refused: the image is built all the same.
    const refused = await buildImage(images.host, { to: [`${entry},mode=max`], env: nobody });
    assert.equal(refused.error, undefined);
    assert.equal(refused.warnings.length, 1);
    assert.match(refused.warnings[0] ?? '', /^cache registry:.*\/public:cache was not exported: /);
  });

  for (const what of ['basic', 'bearer'] as const) {
    test(`a wrong password costs a warning that does not show it, ${what}`, async () => {
      const { host } = what === 'basic' ? basic : bearer;
      const wrong = 'not-the-password';
      const env = machine({ auths: { [host]: { auth: auth(wrong) } } });
      const entry = `type=registry,ref=${host}/app:cache`;
      const built = await buildImage(images.host, { from: [entry], to: [entry], env });
      assert.equal(built.error, undefined);
      assert.equal(built.ran.length, DOCKERFILE.trim().split('\n').length - 1);
      assert.equal(built.warnings.length, 2, built.warnings.join('\n'));
      for (const warning of built.warnings) {
        assert.ok(warning.includes(`registry:${host}/app:cache`), warning);
        assert.ok(!warning.includes(wrong) && !warning.includes(auth(wrong)), warning);
      }
    });
  }
});
