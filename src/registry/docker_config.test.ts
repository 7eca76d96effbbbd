import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDockerCredentialSource } from './docker_config.ts';

const HELPER = `#!/bin/sh
[ "$1" = get ] || exit 9
read server
case "$server" in
  token.example.com) echo '{"ServerURL":"x","Username":"<token>","Secret":"refresh-me"}' ;;
  https://index.docker.io/v1/) echo '{"Username":"hub-user","Secret":"hub-pass"}' ;;
  broken.example.com) echo 'no keyring here'; exit 1 ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`;

async function withConfig(
  files: Record<string, unknown>,
  use: (find: (host: string) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-config-'));
  mkdirSync(join(dir, '.docker'));
  mkdirSync(join(dir, '.config/containers'), { recursive: true });
  writeFileSync(join(dir, 'docker-credential-fake'), HELPER);
  chmodSync(join(dir, 'docker-credential-fake'), 0o755);
  for (const [name, value] of Object.entries(files)) {
    writeFileSync(join(dir, name), typeof value === 'string' ? value : JSON.stringify(value));
  }
  const env = { HOME: dir, PATH: `${dir}:${process.env['PATH']}` };
  try {
    await use((host) => createDockerCredentialSource(env).credentials(host));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const auth = (text: string): { auth: string } => ({ auth: Buffer.from(text).toString('base64') });

test('credentials come from auths, by host and by old spellings, and the hub under its own name', () =>
  withConfig(
    {
      '.docker/config.json': {
        auths: {
          'r.example.com:5000': auth('user:pa:ss'),
          'https://old.example.com/v1/': { username: 'u', password: 'p-old' },
          'https://index.docker.io/v1/': auth('hub:secret'),
          'id.example.com': { ...auth('x:y'), identitytoken: 'the-token' },
          'empty.example.com': {},
        },
      },
    },
    async (find) => {
      assert.deepEqual(await find('r.example.com:5000'), { username: 'user', password: 'pa:ss' });
      assert.deepEqual(await find('old.example.com'), { username: 'u', password: 'p-old' });
      assert.deepEqual(await find('registry-1.docker.io'), { username: 'hub', password: 'secret' });
      assert.deepEqual(await find('id.example.com'), { identityToken: 'the-token' });
      assert.equal(await find('empty.example.com'), undefined);
      assert.equal(await find('r.example.com'), undefined);
    },
  ));

test('helpers are asked before auths, per host or for all', () =>
  withConfig(
    {
      '.docker/config.json': {
        auths: { 'plain.example.com': auth('a:from-file') },
        credHelpers: { 'token.example.com': 'fake', 'none.example.com': 'missing' },
        credsStore: 'fake',
      },
    },
    async (find) => {
      assert.deepEqual(await find('token.example.com'), { identityToken: 'refresh-me' });
      assert.deepEqual(await find('registry-1.docker.io'), { username: 'hub-user', password: 'hub-pass' });
      assert.deepEqual(await find('plain.example.com'), { username: 'a', password: 'from-file' });
      assert.equal(await find('unknown.example.com'), undefined);
      await assert.rejects(find('broken.example.com'), { code: 'UNAVAILABLE', message: /no keyring here/ });
      await assert.rejects(find('none.example.com'), { code: 'USAGE', message: /docker-credential-missing/ });
    },
  ));

test("podman's file is asked for hosts that docker's does not know", () =>
  withConfig(
    {
      '.docker/config.json': { auths: { 'a.example.com': auth('docker:one1') } },
      '.config/containers/auth.json': {
        auths: { 'a.example.com': auth('podman:two2'), 'docker.io': auth('podman:hub3') },
      },
    },
    async (find) => {
      assert.deepEqual(await find('a.example.com'), { username: 'docker', password: 'one1' });
      assert.deepEqual(await find('registry-1.docker.io'), { username: 'podman', password: 'hub3' });
    },
  ));

test('a file that cannot be used is named, without its content', async () => {
  await withConfig({}, async (find) => assert.equal(await find('a.example.com'), undefined));
  await withConfig({ '.docker/config.json': '{"auths": "secret-text' }, (find) =>
    assert.rejects(find('a.example.com'), (error: Error) => {
      assert.match(error.message, /config\.json is not a JSON file/);
      return !error.message.includes('secret-text');
    }),
  );
  await withConfig({ '.docker/config.json': { auths: { x: { auth: 'bm9jb2xvbg==' } } } }, (find) =>
    assert.rejects(find('x'), /the auth of "x" is not base64 of user:password/),
  );
});
