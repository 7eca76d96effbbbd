/** Authentication against real servers: htpasswd, bearer tokens, TLS. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BlobProvider, Descriptor } from '../../src/content/contract.ts';
import { createRegistryClient, type RegistryClientOptions } from '../../src/registry/client.ts';
import type { RegistryClient, RegistryHostConfig } from '../../src/registry/contract.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { selfSigned } from '../servers/certificate.ts';
import { startDockerRegistry } from '../servers/docker_registry.ts';
import { startTokenServer, type TokenServer } from '../servers/token_server.ts';

type Answer = Awaited<ReturnType<RegistryClientOptions['credentials']['credentials']>>;

function someBlob(): { blob: Descriptor; provider: BlobProvider } {
  const bytes = randomBytes(1000);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}` as const;
  return {
    blob: { mediaType: 'application/octet-stream', digest, size: bytes.length },
    provider: {
      async *read() {
        yield bytes;
      },
    },
  };
}

async function withClient(
  answer: Answer,
  use: (client: RegistryClient, asked: string[]) => Promise<void>,
  hosts?: Map<string, RegistryHostConfig>,
): Promise<void> {
  const asked: string[] = [];
  const client = createRegistryClient({
    credentials: {
      async credentials(host) {
        asked.push(host);
        return answer;
      },
    },
    ...(hosts === undefined ? {} : { hosts }),
  });
  try {
    await use(client, asked);
  } finally {
    client.close();
  }
}

test('basic authentication: credentials are asked for once, wrong ones are refused', async () => {
  const registry = await startDockerRegistry({ htpasswd: [{ username: 'user', password: 'pass-word' }] });
  try {
    const { blob, provider } = someBlob();
    const reference = parseReference(`${registry.host}/app`);
    await withClient({ username: 'user', password: 'pass-word' }, async (client, asked) => {
      const repository = client.repository(reference);
      assert.equal(await repository.pushBlob(blob, provider), 'uploaded');
      assert.equal(await repository.hasBlob(blob.digest), true);
      assert.deepEqual(asked, [registry.host]);
    });
    await withClient({ username: 'user', password: 'other-one' }, async (client) => {
      await assert.rejects(client.repository(reference).hasBlob(blob.digest), {
        code: 'DENIED',
        status: 401,
      });
      await assert.rejects(client.repository(reference).manifest('1'), (error: Error) => {
        assert.match(error.message, /UNAUTHORIZED: authentication required/);
        return !error.message.includes('other-one');
      });
    });
    await withClient(undefined, async (client) => {
      await assert.rejects(client.repository(reference).hasBlob(blob.digest), { code: 'DENIED' });
    });
  } finally {
    await registry.stop();
  }
});

async function withTokenRegistry(use: (host: string, tokens: TokenServer) => Promise<void>): Promise<void> {
  const tokens = await startTokenServer({ user: 'pass-word' });
  const registry = await startDockerRegistry({ token: tokens.options });
  try {
    await use(registry.host, tokens);
  } finally {
    await registry.stop();
    await tokens.stop();
  }
}

const USER = { username: 'user', password: 'pass-word' };

test('bearer tokens: one for each set of scopes, with the form and by GET where there is none', () =>
  withTokenRegistry(async (host, tokens) => {
    for (const allowPost of [true, false]) {
      tokens.allowPost = allowPost;
      tokens.requests.length = 0;
      const { blob, provider } = someBlob();
      await withClient(USER, async (client, asked) => {
        const one = client.repository(parseReference(`${host}/one`));
        const two = client.repository(parseReference(`${host}/two`));
        assert.equal(await one.pushBlob(blob, provider), 'uploaded');
        assert.equal(await one.hasBlob(blob.digest), true);
        const results = await Promise.all([two.hasBlob(blob.digest), two.resolve('1'), two.resolve('2')]);
        assert.deepEqual(results, [false, undefined, undefined]);
        assert.equal(await two.pushBlob(blob, provider, { from: [one.origin] }), 'mounted');
        assert.deepEqual(asked, [host]);
      });
      const granted = [
        'repository:one:pull,push',
        'repository:two:pull',
        'repository:one:pull repository:two:pull,push',
      ];
      assert.deepEqual(
        tokens.requests,
        allowPost
          ? granted.map((scope) => `POST ${scope}`)
          : granted.flatMap((scope) => [`POST ${scope}`, `GET ${scope}`]),
      );
    }
  }));

test('bearer tokens: anonymous clients may read, and are told why they may not write', () =>
  withTokenRegistry(async (host, tokens) => {
    const { blob, provider } = someBlob();
    await withClient(USER, async (client) => {
      await client.repository(parseReference(`${host}/app`)).pushBlob(blob, provider);
    });
    tokens.requests.length = 0;
    await withClient(undefined, async (client) => {
      const repository = client.repository(parseReference(`${host}/app`));
      assert.equal(await repository.hasBlob(blob.digest), true);
      assert.deepEqual(tokens.requests, ['GET repository:app:pull']);
      const other = someBlob();
      await assert.rejects(repository.pushBlob(other.blob, other.provider), {
        code: 'DENIED',
        message: /push access denied to .*\/app, repository does not exist or may require authorization/,
      });
    });
  }));

test('bearer tokens: identity tokens are refresh tokens, and wrong passwords show the server words', () =>
  withTokenRegistry(async (host, tokens) => {
    const { blob, provider } = someBlob();
    await withClient({ identityToken: 'user.pass-word' }, async (client) => {
      const repository = client.repository(parseReference(`${host}/app`));
      assert.equal(await repository.pushBlob(blob, provider), 'uploaded');
    });
    assert.deepEqual(tokens.requests, ['POST repository:app:pull,push']);
    await withClient({ username: 'user', password: 'wrong-one' }, async (client) => {
      await assert.rejects(client.repository(parseReference(`${host}/app`)).resolve('1'), {
        code: 'DENIED',
        message: /^failed to fetch oauth token: .*UNAUTHORIZED: wrong password$/,
      });
    });
  }));

test('bearer tokens: one that has run out is replaced', () =>
  withTokenRegistry(async (host, tokens) => {
    tokens.expiresIn = -1;
    await withClient(USER, async (client) => {
      const repository = client.repository(parseReference(`${host}/app`));
      assert.equal(await repository.resolve('1'), undefined);
      assert.equal(await repository.resolve('1'), undefined);
    });
    assert.ok(tokens.requests.length >= 2);
  }));

test('TLS: an unknown authority is refused, a given one and `insecure` are accepted', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-tls-'));
  const { key, certificate } = selfSigned(dir, '127.0.0.1');
  const registry = await startDockerRegistry({ tls: { certificate, key } });
  const plain = await startDockerRegistry();
  const base = { mirrors: [], ca: [], keyPairs: [] };
  try {
    const resolve = async (config: Partial<RegistryHostConfig>, host = registry.host): Promise<unknown> => {
      let result: unknown;
      await withClient(
        undefined,
        async (client) => {
          result = await client.repository(parseReference(`${host}/app`)).resolve('1');
        },
        new Map([[host, { ...base, ...config }]]),
      );
      return result;
    };
    await assert.rejects(resolve({ http: false }), {
      code: 'UNAVAILABLE',
      message: /self-signed certificate/,
    });
    assert.equal(await resolve({ http: false, ca: [certificate] }), undefined);
    assert.equal(await resolve({ http: false, insecure: true }), undefined);
    assert.equal(await resolve({ http: true, insecure: true }), undefined);
    // http and insecure together: https first, plain http when the server does not speak TLS.
    assert.equal(await resolve({ http: true, insecure: true }, plain.host), undefined);
    await assert.rejects(resolve({ http: false }, plain.host), { code: 'UNAVAILABLE' });
    await withClient(undefined, async (client) => {
      const repository = client.repository(parseReference(`${plain.host}/app`), { insecure: true });
      assert.equal(await repository.resolve('1'), undefined);
    });
  } finally {
    await plain.stop();
    await registry.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
