/** The client of Azure's SDK, with the credentials that the entry or the machine has. */
import { CairnError } from '../../../errors/error.ts';
import {
  AnonymousCredential,
  ContainerClient,
  newPipeline,
  StorageSharedKeyCredential,
  type RequestPolicyFactory,
} from './sdk.ts';

/** The version of the protocol that BuildKit v0.32.2 speaks: services that it works with refuse newer ones. */
const PROTOCOL_VERSION = '2024-11-04';

export interface AzureSettings {
  /** May carry a shared access signature as its query. */
  accountUrl: URL;
  accountName: string;
  container: string;
  /** The account's key, base64. */
  key: string | undefined;
}

/** @throws CairnError USAGE where the credentials may not be sent over plain http */
export async function newContainerClient({
  accountUrl,
  accountName,
  container,
  key,
}: AzureSettings): Promise<ContainerClient> {
  const url = new URL(accountUrl);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${encodeURIComponent(container)}`;
  const credential = await credentialOf(accountUrl, accountName, key);
  // Container tries again by itself, as long as the service asks.
  const pipeline = newPipeline(credential, { retryOptions: { maxTries: 1 } });
  pipeline.factories.push(speakVersion(PROTOCOL_VERSION));
  return new ContainerClient(url.href, pipeline);
}

async function credentialOf(accountUrl: URL, accountName: string, key: string | undefined) {
  if (key !== undefined) return new StorageSharedKeyCredential(accountName, key);
  if (hasSignature(accountUrl)) return new AnonymousCredential();
  if (accountUrl.protocol !== 'https:') {
    throw new CairnError(
      `azblob cache: identities are not sent to ${accountUrl.origin}, which is not https`,
      {
        code: 'USAGE',
        hint: 'write account_url as https://…, or give secret_access_key or a signature in account_url',
      },
    );
  }
  const { DefaultAzureCredential } = await import('./identity_sdk.ts');
  return new DefaultAzureCredential();
}

/** True for URLs with a shared access signature. */
export function hasSignature(accountUrl: URL): boolean {
  return accountUrl.searchParams.has('sig');
}

/** The client always says the newest version that it knows, but it uses nothing that is new. */
function speakVersion(version: string): RequestPolicyFactory {
  return {
    create: (next) => ({
      sendRequest(request) {
        request.headers.set('x-ms-version', version);
        return next.sendRequest(request);
      },
    }),
  };
}
