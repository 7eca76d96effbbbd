/** `type=s3`: caches in a bucket of Amazon S3, or of a service that speaks its protocol. */
import { CairnError } from '../../errors/error.ts';
import { defineBackend } from './contract.ts';
import { DEFAULT_TOUCH_REFRESH_MS, PARALLEL_WRITES } from './limits.ts';

export const backend = defineBackend({
  type: 's3',
  exportName: 'exporting cache to Amazon S3',
  parameters: {
    bucket: { kind: 'text', side: 'both', empty: false, doc: 'The bucket. Default: $AWS_BUCKET.' },
    region: { kind: 'text', side: 'both', empty: false, doc: 'The bucket’s region. Default: $AWS_REGION.' },
    name: {
      kind: 'list',
      side: 'both',
      default: ['buildkit'],
      doc: 'Name of the cache, or several with `;` between them: an export is published under each, an import reads all. BuildKit imports the first only.',
    },
    prefix: { kind: 'text', side: 'both', default: '', doc: 'Put before the keys of all objects.' },
    blobs_prefix: {
      kind: 'text',
      side: 'both',
      default: 'blobs/',
      doc: 'Put between prefix and the digest of a layer.',
    },
    manifests_prefix: {
      kind: 'text',
      side: 'both',
      default: 'manifests/',
      doc: 'Put between prefix and the name of a cache.',
    },
    endpoint_url: {
      kind: 'url',
      side: 'both',
      doc: 'Where another service than AWS is. Default: AWS, or $AWS_ENDPOINT_URL_S3.',
    },
    use_path_style: {
      kind: 'bool',
      side: 'both',
      default: false,
      doc: 'Names the bucket in the path of URLs instead of the host. BuildKit heeds it only along with endpoint_url.',
    },
    access_key_id: {
      kind: 'text',
      side: 'both',
      empty: false,
      doc: 'Default: credentials from AWS’ chain, renewed when they expire.',
    },
    secret_access_key: {
      kind: 'text',
      side: 'both',
      empty: false,
      secret: true,
      doc: 'Goes with access_key_id.',
    },
    session_token: {
      kind: 'text',
      side: 'both',
      secret: true,
      doc: 'Goes with access_key_id, for temporary credentials.',
    },
    touch_refresh: {
      kind: 'duration',
      side: 'to',
      default: DEFAULT_TOUCH_REFRESH_MS,
      doc: 'Age from which objects that are used again are copied onto themselves, so that rules of the bucket which expire old objects let them live.',
    },
    upload_parallelism: {
      kind: 'integer',
      side: 'to',
      default: PARALLEL_WRITES,
      min: 1,
      max: 64,
      doc: 'Layers that are uploaded at once.',
    },
    disable_accept_encoding: {
      kind: 'bool',
      side: 'both',
      default: false,
      doc: 'BuildKit needs it for Google Cloud Storage. cairn never sends the header that it leaves out.',
    },
    retry_mode: {
      kind: 'enum',
      values: ['standard', 'adaptive'],
      side: 'both',
      doc: 'How requests are tried again. Default: $AWS_RETRY_MODE, or standard.',
    },
    retry_max_attempts: {
      kind: 'integer',
      side: 'both',
      min: 1,
      doc: 'Tries of one request, the first included. Default: $AWS_MAX_ATTEMPTS, or 5.',
    },
  },
  target(values, _, env) {
    const { bucket = '$AWS_BUCKET' } = placeOf(values, env);
    return `${bucket}/${values.prefix}${values.name.join(';')}`;
  },
  check(values, _, __, env) {
    const { name, access_key_id: id, secret_access_key: secret, session_token: token } = values;
    if (env !== undefined) requirePlace(values, env);
    if (name.length === 0) throw new CairnError('s3 cache: name must not be empty', { code: 'USAGE' });
    if ((id === undefined) !== (secret === undefined) || (id === undefined && token !== undefined)) {
      throw new CairnError('s3 cache: credentials are not complete', {
        code: 'USAGE',
        hint: 'give access_key_id and secret_access_key, with session_token where there is one; or none of them',
      });
    }
  },
  async open(values, { env }) {
    const { bucket, region } = requirePlace(values, env);
    const { access_key_id: id, secret_access_key: secret, session_token: token } = values;
    const [{ newS3Client }, { Bucket }, { S3Cache }] = await Promise.all([
      import('./s3/client.ts'),
      import('./s3/bucket.ts'),
      import('./s3/cache.ts'),
    ]);
    const client = await newS3Client(
      {
        bucket,
        region,
        endpoint: values.endpoint_url,
        pathStyle: values.use_path_style,
        credentials:
          id === undefined || secret === undefined
            ? undefined
            : {
                accessKeyId: id,
                secretAccessKey: secret,
                ...(token === undefined ? {} : { sessionToken: token }),
              },
        retryMode: values.retry_mode,
        maxAttempts: values.retry_max_attempts,
      },
      env,
    );
    return new S3Cache(new Bucket(client, bucket), {
      blobsPrefix: values.prefix + values.blobs_prefix,
      manifestsPrefix: values.prefix + values.manifests_prefix,
      names: values.name,
      touchRefresh: values.touch_refresh,
      parallelWrites: values.upload_parallelism,
    });
  },
});

interface Place {
  bucket?: string | undefined;
  region?: string | undefined;
}

function placeOf({ bucket, region }: Place, env: NodeJS.ProcessEnv): Place {
  return { bucket: bucket ?? env['AWS_BUCKET'], region: region ?? env['AWS_REGION'] };
}

/** @throws CairnError USAGE */
function requirePlace(values: Place, env: NodeJS.ProcessEnv): { bucket: string; region: string } {
  const { bucket = '', region = '' } = placeOf(values, env);
  for (const [name, value] of Object.entries({ bucket, region })) {
    if (value !== '') continue;
    const variable = `$AWS_${name.toUpperCase()}`;
    throw new CairnError(`${name} (${variable}) not set for s3 cache`, {
      code: 'USAGE',
      hint: `give ${name}=… or set ${variable} where the build runs`,
    });
  }
  return { bucket, region };
}
