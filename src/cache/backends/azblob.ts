/** `type=azblob`: caches in a container of Azure Blob Storage. */
import { posix } from 'node:path';
import { CairnError, registerSecret } from '../../errors/error.ts';
import { defineBackend } from './contract.ts';

export const backend = defineBackend({
  type: 'azblob',
  exportName: 'exporting cache to Azure Blob Storage',
  parameters: {
    account_url: {
      kind: 'url',
      side: 'both',
      doc: 'The account: `https://NAME.blob.core.windows.net`, with a shared access signature behind `?` if you have one. Default: $BUILDKIT_AZURE_STORAGE_ACCOUNT_URL.',
    },
    account_name: {
      kind: 'text',
      side: 'both',
      empty: false,
      doc: 'The account’s name where the URL does not begin with it. Default: $BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME, or the first part of the host.',
    },
    container: {
      kind: 'text',
      side: 'both',
      empty: false,
      doc: 'The container; made when it is not there. Default: $BUILDKIT_AZURE_STORAGE_CONTAINER, or buildkit-cache.',
    },
    name: {
      kind: 'list',
      side: 'both',
      default: ['buildkit'],
      doc: 'Name of the cache, or several with `;` between them: an export is published under each, an import reads all.',
    },
    prefix: {
      kind: 'text',
      side: 'both',
      doc: 'Put before the names of all blobs, with a slash. Default: $BUILDKIT_AZURE_STORAGE_PREFIX, or nothing.',
    },
    blobs_prefix: {
      kind: 'text',
      side: 'both',
      default: 'blobs',
      doc: 'Put before the digests of layers, with a slash.',
    },
    manifests_prefix: {
      kind: 'text',
      side: 'both',
      default: 'manifests',
      doc: 'Put before the names of caches, with a slash.',
    },
    secret_access_key: {
      kind: 'text',
      side: 'both',
      empty: false,
      secret: true,
      doc: 'The account’s key. Without it and without a signature: the identity that Azure’s chain of credentials finds.',
    },
  },
  target(values, _, env) {
    const { accountUrl, container, prefix } = placeOf(values, env);
    const host = URL.canParse(accountUrl) ? new URL(accountUrl).host : '$BUILDKIT_AZURE_STORAGE_ACCOUNT_URL';
    return posix.join(host, container, prefix, values.name.join(';'));
  },
  check(values, _, __, env) {
    const { name, account_url: url, secret_access_key: key } = values;
    if (name.length === 0) throw new CairnError('azblob cache: name must not be empty', { code: 'USAGE' });
    if (key !== undefined && !isBase64(key)) {
      throw new CairnError('azblob cache: secret_access_key is not an account’s key', {
        code: 'USAGE',
        hint: 'it is base64; a comma or a quote may have cut it',
      });
    }
    const account =
      env === undefined ? (url === undefined ? undefined : new URL(url)) : requireAccount(values, env);
    if (account !== undefined && takeSignature(account) && key !== undefined) {
      throw new CairnError('azblob cache: account_url has a signature, and there is secret_access_key', {
        code: 'USAGE',
        hint: 'leave out one of them',
      });
    }
  },
  async open(values, { env }) {
    const accountUrl = requireAccount(values, env);
    takeSignature(accountUrl);
    const { accountName, container, prefix } = placeOf(values, env);
    const [{ newContainerClient }, { Container }, { AzureCache }] = await Promise.all([
      import('./azblob/client.ts'),
      import('./azblob/container.ts'),
      import('./azblob/cache.ts'),
    ]);
    const client = await newContainerClient({
      accountUrl,
      accountName: accountName ?? accountUrl.hostname.split('.')[0] ?? '',
      container,
      key: values.secret_access_key,
    });
    return new AzureCache(new Container(client), {
      blobs: blobName(prefix, values.blobs_prefix, 'sha').slice(0, -'sha'.length),
      blob: (digest) => blobName(prefix, values.blobs_prefix, digest),
      manifest: (name) => blobName(prefix, values.manifests_prefix, name),
      names: values.name,
    });
  },
});

interface Place {
  account_url?: string | undefined;
  account_name?: string | undefined;
  container?: string | undefined;
  prefix?: string | undefined;
}

function placeOf(values: Place, env: NodeJS.ProcessEnv) {
  const variable = (name: string): string | undefined => env[`BUILDKIT_AZURE_STORAGE_${name}`];
  return {
    accountUrl: values.account_url ?? variable('ACCOUNT_URL') ?? '',
    accountName: values.account_name ?? variable('ACCOUNT_NAME'),
    container: values.container ?? variable('CONTAINER') ?? 'buildkit-cache',
    prefix: values.prefix ?? variable('PREFIX') ?? '',
  };
}

/** @throws CairnError USAGE */
function requireAccount(values: Place, env: NodeJS.ProcessEnv): URL {
  const { accountUrl } = placeOf(values, env);
  if (accountUrl === '') {
    throw new CairnError(
      'either ${BUILDKIT_AZURE_STORAGE_ACCOUNT_URL} or account_url attribute is required for azblob cache',
      { code: 'USAGE', hint: 'give account_url=https://NAME.blob.core.windows.net' },
    );
  }
  if (!URL.canParse(accountUrl))
    throw new CairnError('$BUILDKIT_AZURE_STORAGE_ACCOUNT_URL is not a URL', { code: 'USAGE' });
  return new URL(accountUrl);
}

/** Whether the URL has a shared access signature, which is never printed from here on. */
function takeSignature(url: URL): boolean {
  const signature = url.searchParams.get('sig');
  if (signature === null) return false;
  registerSecret(signature);
  registerSecret(encodeURIComponent(signature));
  return true;
}

function isBase64(text: string): boolean {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
}

/** Joined as by Go's filepath.Join, which BuildKit uses: empty parts, `.` and slashes too many are left out. */
function blobName(...parts: string[]): string {
  const joined = posix.join(...parts);
  return joined.length > 1 && joined.endsWith('/') ? joined.slice(0, -1) : joined;
}
