/** The client of Azure's SDK, with the credentials that the entry or the machine has. */
import {
  AnonymousCredential,
  ContainerClient,
  newPipeline,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { CairnError } from '../../../errors/error.ts';

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
  return new ContainerClient(url.href, newPipeline(credential, { retryOptions: { maxTries: 1 } }));
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
  const { DefaultAzureCredential } = await import('@azure/identity');
  return new DefaultAzureCredential();
}

/** True for URLs with a shared access signature. */
export function hasSignature(accountUrl: URL): boolean {
  return accountUrl.searchParams.has('sig');
}
