/** Where credentials come from: a server that checks signatures accepts only the right ones. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { startS3rver, type S3Server } from '../servers/s3rver.ts';
import { opener } from './contract.ts';

const signal = AbortSignal.timeout(60_000);
/** What AWS' chain reads; the tests set some of them. */
const VARIABLES = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_PROFILE',
  'AWS_CONFIG_FILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_EC2_METADATA_DISABLED',
  'AWS_BUCKET',
  'AWS_REGION',
  'AWS_ENDPOINT_URL_S3',
];

describe('credentials of s3', () => {
  let server: S3Server;
  let directory: string;
  const saved = { ...process.env };
  const opened = opener(process.env);
  before(async () => {
    server = await startS3rver(['caches']);
    directory = mkdtempSync(join(tmpdir(), 'cairn-aws-'));
    reset();
  });
  after(async () => {
    opened.close();
    for (const name of VARIABLES) process.env[name] = saved[name] ?? '';
    for (const name of VARIABLES) if (saved[name] === undefined) delete process.env[name];
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  afterEach(reset);

  /** No credentials at all, and none of this machine's. */
  function reset(): void {
    for (const name of VARIABLES) delete process.env[name];
    process.env['AWS_CONFIG_FILE'] = join(directory, 'none');
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = join(directory, 'none');
    process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
  }

  const ask = async (more: Record<string, string> = {}): Promise<unknown> => {
    const place = { endpoint_url: `http://${server.host}`, use_path_style: 'true' };
    const attrs = { bucket: 'caches', region: 'us-east-1', ...place, ...more };
    const { backend } = await opened.open('s3', 'from', attrs);
    return backend.resolve('nothing', signal);
  };

  test('of the entry are used', async () => {
    const keys = { access_key_id: server.accessKeyId, secret_access_key: server.secretAccessKey };
    assert.equal(await ask(keys), undefined);
    await assert.rejects(ask({ ...keys, secret_access_key: 'wrong-secret' }), {
      code: 'DENIED',
      message: /SignatureDoesNotMatch/,
      hint: /secret_access_key/,
    });
  });

  test('of the entry must be complete', async () => {
    await assert.rejects(ask({ access_key_id: 'A' }), { code: 'USAGE', message: /not complete/ });
    await assert.rejects(ask({ secret_access_key: 'incomplete' }), {
      code: 'USAGE',
      message: /not complete/,
    });
    await assert.rejects(ask({ session_token: 'token' }), { code: 'USAGE', message: /not complete/ });
  });

  test('come from the environment', async () => {
    process.env['AWS_ACCESS_KEY_ID'] = server.accessKeyId;
    process.env['AWS_SECRET_ACCESS_KEY'] = server.secretAccessKey;
    assert.equal(await ask(), undefined);
  });

  test('come from a profile', async () => {
    const file = join(directory, 'credentials');
    writeFileSync(
      file,
      `[build]\naws_access_key_id = ${server.accessKeyId}\naws_secret_access_key = ${server.secretAccessKey}\n`,
    );
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = file;
    process.env['AWS_PROFILE'] = 'build';
    assert.equal(await ask(), undefined);
  });

  test('that are nowhere are an error which says where to put them', async () => {
    await assert.rejects(ask(), { code: 'DENIED', hint: /give access_key_id and secret_access_key/ });
  });

  test('that expire during a build are fetched again', async () => {
    let answers = 0;
    const container = await listen(
      createServer((_, response) => {
        answers += 1;
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({
            AccessKeyId: server.accessKeyId,
            SecretAccessKey: server.secretAccessKey,
            Token: 'a session token',
            Expiration: new Date(Date.now() + (answers === 1 ? 1000 : 3_600_000)).toISOString(),
          }),
        );
      }),
    );
    try {
      process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = container.url;
      const place = { endpoint_url: `http://${server.host}`, use_path_style: 'true' };
      const attrs = { bucket: 'caches', region: 'us-east-1', ...place };
      const { backend } = await opened.open('s3', 'to', attrs);
      for (let i = 0; i < 4; i++) assert.equal(await backend.resolve('nothing', signal), undefined);
      assert.equal(answers, 2);
    } finally {
      await container.stop();
    }
  });

  test('are kept by a profile whose program renews them', async () => {
    const credentials = {
      Version: 1,
      AccessKeyId: server.accessKeyId,
      SecretAccessKey: server.secretAccessKey,
      Token: 'a session token',
    };
    writeFileSync(join(directory, 'answer.json'), JSON.stringify(credentials));
    const file = join(directory, 'config');
    writeFileSync(file, `[default]\ncredential_process = cat ${join(directory, 'answer.json')}\n`);
    process.env['AWS_CONFIG_FILE'] = file;
    assert.equal(await ask(), undefined);
  });

  test('bucket, region and endpoint come from the environment', async () => {
    const keys = { access_key_id: server.accessKeyId, secret_access_key: server.secretAccessKey };
    const open = async () => (await opened.open('s3', 'from', { ...keys, use_path_style: 'true' })).backend;
    await assert.rejects(open(), { code: 'USAGE', message: 'bucket ($AWS_BUCKET) not set for s3 cache' });
    process.env['AWS_BUCKET'] = 'caches';
    await assert.rejects(open(), { code: 'USAGE', message: 'region ($AWS_REGION) not set for s3 cache' });
    process.env['AWS_REGION'] = 'us-east-1';
    process.env['AWS_ENDPOINT_URL_S3'] = `http://${server.host}`;
    assert.equal(await (await open()).resolve('nothing', signal), undefined);
  });

  test('a bucket that is not there is named', async () => {
    const keys = { access_key_id: server.accessKeyId, secret_access_key: server.secretAccessKey };
    await assert.rejects(ask({ ...keys, bucket: 'none' }), {
      code: 'NOT_FOUND',
      message: /s3:\/\/none\/manifests\/nothing: NoSuchBucket/,
      hint: 'create the bucket, or correct bucket=',
    });
  });
});

async function listen(server: Server): Promise<{ url: string; stop: () => Promise<void> }> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/credentials`,
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
