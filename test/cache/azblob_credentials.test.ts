/** Keys, signatures and places of Azure caches, as Azurite checks them. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import {
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  ContainerSASPermissions,
  generateAccountSASQueryParameters,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { hasAzurite, startAzurite, type AzureServer } from '../servers/azurite.ts';
import { startFaultProxy, type FaultProxy } from '../servers/fault_proxy.ts';
import { layer, opener } from './contract.ts';

const signal = AbortSignal.timeout(60_000);

describe('credentials of azblob', { skip: hasAzurite ? false : 'azurite is not installed' }, () => {
  let server: AzureServer;
  let proxy: FaultProxy;
  let url: string;
  let credential: StorageSharedKeyCredential;
  before(async () => {
    server = await startAzurite();
    proxy = await startFaultProxy(server.host);
    url = `http://${proxy.host}/${server.accountName}`;
    credential = new StorageSharedKeyCredential(server.accountName, server.accountKey);
  });
  after(async () => {
    await proxy.stop();
    await server.stop();
  });

  const open = async (attrs: Record<string, string>, env: NodeJS.ProcessEnv = {}) =>
    (await opener(env).open('azblob', 'to', attrs)).backend;
  const inAnHour = (): Date => new Date(Date.now() + 3_600_000);
  const key = (): Record<string, string> => ({
    account_url: url,
    account_name: server.accountName,
    secret_access_key: server.accountKey,
  });

  test('a key that is wrong is said to be, and is not printed', async () => {
    const wrong = randomBytes(32).toString('base64');
    const backend = await open({ ...key(), secret_access_key: wrong });
    await assert.rejects(backend.resolve('x', signal), (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, 'DENIED');
      return !JSON.stringify([error.message, error.hint]).includes(wrong);
    });
    await assert.rejects(open({ ...key(), secret_access_key: 'cut off,' }), { code: 'USAGE' });
  });

  test('a signature of the account makes the container and writes', async () => {
    const container = `c${randomUUID()}`;
    const signature = generateAccountSASQueryParameters(
      {
        expiresOn: inAnHour(),
        permissions: AccountSASPermissions.parse('rwdlac'),
        resourceTypes: AccountSASResourceTypes.parse('sco').toString(),
        services: AccountSASServices.parse('b').toString(),
      },
      credential,
    );
    const backend = await open({ account_url: `${url}?${signature.toString()}`, container });
    const { descriptor, provider } = layer(randomBytes(100));
    assert.equal((await backend.has([descriptor], signal)).size, 0);
    await backend.write(descriptor, provider, { signal });
    assert.equal((await backend.has([descriptor], signal)).size, 1);
  });

  test('a signature of the container that may not list is enough to write, and not printed', async () => {
    const container = `c${randomUUID()}`;
    const owner = await open({ ...key(), container });
    const blobs = Array.from({ length: 4 }, () => layer(randomBytes(100)));
    const descriptors = blobs.map(({ descriptor }) => descriptor);
    assert.equal((await owner.has(descriptors, signal)).size, 0);
    const permissions = ContainerSASPermissions.parse('rwac');
    const signature = generateBlobSASQueryParameters(
      { containerName: container, expiresOn: inAnHour(), permissions },
      credential,
    );
    const backend = await open({ account_url: `${url}?${signature.toString()}`, container });
    for (const { descriptor, provider } of blobs) await backend.write(descriptor, provider, { signal });
    assert.equal((await backend.has(descriptors, signal)).size, 4);
    proxy.fault = () => ({ kind: 'answer', status: 403, body: '' });
    await assert.rejects(backend.resolve('x', signal), (error: Error) => !error.message.includes('sig='));
    proxy.fault = undefined;
  });

  test('a signature that has expired is an error that says where to look', async () => {
    const signature = generateAccountSASQueryParameters(
      {
        expiresOn: new Date(Date.now() - 60_000),
        permissions: AccountSASPermissions.parse('rl'),
        resourceTypes: 'sco',
        services: 'b',
      },
      credential,
    );
    const backend = await open({ account_url: `${url}?${signature.toString()}` });
    await assert.rejects(backend.resolve('x', signal), { code: 'DENIED' });
    await assert.rejects(open({ ...key(), account_url: `${url}?${signature.toString()}` }), {
      code: 'USAGE',
    });
  });

  test('account, container and prefix come from the environment', async () => {
    const container = `c${randomUUID()}`;
    const env = {
      BUILDKIT_AZURE_STORAGE_ACCOUNT_URL: url,
      BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME: server.accountName,
      BUILDKIT_AZURE_STORAGE_CONTAINER: container,
      BUILDKIT_AZURE_STORAGE_PREFIX: 'some/where/',
    };
    const backend = await open({ secret_access_key: server.accountKey }, env);
    const { descriptor, provider } = layer(randomBytes(100));
    await backend.has([descriptor], signal);
    await backend.write(descriptor, provider, { signal });
    const path = `/${server.accountName}/${container}/some/where/blobs/${descriptor.digest}`;
    assert.ok(proxy.requests.some((request) => decodeURIComponent(request.url) === path));
    await assert.rejects(open({}), { code: 'USAGE', message: /account_url attribute is required/ });
  });

  test('an identity is not sent over plain http', async () => {
    await assert.rejects(open({ account_url: url }), { code: 'USAGE', message: /not https/ });
  });
});
