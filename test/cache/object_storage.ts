/** The servers of object storage that tests run against, and the parameters that lead to them. */
import { hasAzurite, startAzurite } from '../servers/azurite.ts';
import { hasMoto, startMoto } from '../servers/moto.ts';
import { startS3rver } from '../servers/s3rver.ts';

export interface ObjectStorage {
  /** `127.0.0.1:port` */
  host: string;
  /** Parameters of an entry without its name, by way of a proxy at `host`. */
  attrs: (host: string) => Record<string, string>;
  stop: () => Promise<void>;
}

export interface ObjectStorageService {
  type: 's3' | 'azblob';
  /** Why its tests are skipped. */
  skip: string | false;
  start: () => Promise<ObjectStorage>;
}

/** @param program s3rver checks signatures, moto knows conditions and lists */
async function startS3(program: typeof startS3rver): Promise<ObjectStorage> {
  const server = await program(['caches']);
  const attrs = (host: string): Record<string, string> => ({
    bucket: 'caches',
    region: 'us-east-1',
    endpoint_url: `http://${host}`,
    use_path_style: 'true',
    access_key_id: server.accessKeyId,
    secret_access_key: server.secretAccessKey,
  });
  return { host: server.host, stop: () => server.stop(), attrs };
}

export const S3RVER: ObjectStorageService = { type: 's3', skip: false, start: () => startS3(startS3rver) };

export const MOTO: ObjectStorageService = {
  type: 's3',
  skip: hasMoto ? false : 'moto is not installed',
  start: () => startS3(startMoto),
};

export const AZURITE: ObjectStorageService = {
  type: 'azblob',
  skip: hasAzurite ? false : 'azurite is not installed',
  async start() {
    const server = await startAzurite();
    const attrs = (host: string): Record<string, string> => ({
      account_url: `http://${host}/${server.accountName}`,
      account_name: server.accountName,
      secret_access_key: server.accountKey,
    });
    return { host: server.host, stop: () => server.stop(), attrs };
  },
};
