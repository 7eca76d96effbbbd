/** From what a reference names to one platform's config and layers (OCI image-spec v1.1, Docker schema 2). */
import { CairnError } from '../errors/error.ts';
import type { BlobOrigin, BlobProvider, Descriptor, Digest, OciPlatform } from '../content/contract.ts';
import { isDigest } from '../content/digest.ts';
import { isIndexType, isManifestType } from '../content/media_types.ts';
import type { Platform } from '../llb/gen/ops_pb.js';
import { chooseManifest, runsOn } from './platform_choice.ts';

/** A place that has images: a registry's repository or an OCI layout. */
export interface ImagePlace {
  /** What the reference names now. @throws CairnError NOT_FOUND */
  resolve(signal: AbortSignal): Promise<Descriptor>;
  /** A manifest, index or config; checked against its digest. */
  document(descriptor: Descriptor, signal: AbortSignal): Promise<Uint8Array>;
  /** Reads layers. */
  readonly layers: BlobProvider;
  /** The repository that has the layers; undefined: none, they are in a directory. */
  readonly origin: BlobOrigin | undefined;
}

/** One platform's image. */
export interface PlatformImage {
  /** What the reference names: an index or a manifest. */
  root: Descriptor;
  config: Uint8Array;
  /** Lowest first. */
  layers: { descriptor: Descriptor; diffID: Digest }[];
  /** rootfs.type of the config; empty: none. */
  rootfsType: string;
}

/** Indexes inside indexes, at most. */
const MAX_INDEX_DEPTH = 8;
/** An overlay file system takes fewer; this only bounds what a hostile image can make us do. */
const MAX_LAYERS = 4096;
const MAX_CONFIG_BYTES = 16 * 1024 * 1024;

const SCHEMA1_TYPES = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
]);

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function corrupt(what: string, why: string, cause?: unknown): CairnError {
  return new CairnError(`${what}: ${why}`, { code: 'CORRUPT', cause });
}

function parseJson(bytes: Uint8Array, what: string): Fields {
  try {
    return fieldsOf(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw corrupt(what, 'not JSON', cause);
  }
}

function parseDescriptor(value: unknown, what: string): Descriptor {
  const { mediaType, digest, size, platform, annotations, urls } = fieldsOf(value);
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || !isDigest(digest)) {
    throw corrupt(what, 'has a descriptor without media type or digest');
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw corrupt(what, `has a descriptor with an invalid size, ${digest}`);
  }
  return {
    mediaType,
    digest,
    size,
    ...(platform === undefined || platform === null ? {} : { platform: parsePlatform(platform) }),
    ...(annotations === undefined ? {} : { annotations: textValues(annotations) }),
    ...(Array.isArray(urls) ? { urls: urls.filter((url) => typeof url === 'string') } : {}),
  };
}

function textValues(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fieldsOf(value)).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
}

function parsePlatform(value: unknown): OciPlatform {
  const fields = fieldsOf(value);
  const text = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '');
  const features = fields['os.features'];
  return {
    os: text('os'),
    architecture: text('architecture'),
    ...(text('variant') === '' ? {} : { variant: text('variant') }),
    ...(text('os.version') === '' ? {} : { 'os.version': text('os.version') }),
    ...(Array.isArray(features)
      ? { 'os.features': features.filter((feature) => typeof feature === 'string') }
      : {}),
  };
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** What kind of document it is, from its contents (BuildKit's imageutil.DetectManifestBlobMediaType). */
export function detectMediaType(bytes: Uint8Array): string {
  const { mediaType, config, layers, manifests } = parseJson(bytes, 'manifest');
  const isManifest = config !== undefined || layers !== undefined;
  if (isManifest && manifests !== undefined) {
    throw corrupt('manifest', 'invalid ambiguous manifest and manifest list');
  }
  if (typeof mediaType === 'string' && (isManifestType(mediaType) || isIndexType(mediaType))) {
    if (isManifestType(mediaType) !== isManifest) {
      throw corrupt('manifest', 'mediaType in manifest does not match manifest contents');
    }
    return mediaType;
  }
  return isManifest
    ? 'application/vnd.docker.distribution.manifest.v2+json'
    : 'application/vnd.docker.distribution.manifest.list.v2+json';
}

/**
 * Reads manifests and config of one platform's image.
 * @throws CairnError NOT_FOUND when the index has none for the platform, CORRUPT, UNSUPPORTED
 */
export async function loadImage(
  place: ImagePlace,
  platform: Platform,
  signal: AbortSignal,
): Promise<PlatformImage> {
  const root = await place.resolve(signal);
  let descriptor = root;
  for (let depth = 0; ; depth++) {
    const what = `manifest ${descriptor.digest}`;
    if (SCHEMA1_TYPES.has(descriptor.mediaType)) {
      throw new CairnError(
        'support Docker Image manifest version 2, schema 1 has been removed. ' +
          'More information at https://docs.docker.com/go/deprecated-image-specs/',
        { code: 'UNSUPPORTED' },
      );
    }
    const document = parseJson(await place.document(descriptor, signal), what);
    if (isIndexType(descriptor.mediaType)) {
      if (document['config'] !== undefined || document['layers'] !== undefined) {
        throw corrupt(what, `media-type: expected index but found manifest (${descriptor.mediaType})`);
      }
      if (depth >= MAX_INDEX_DEPTH) throw corrupt(what, `more than ${MAX_INDEX_DEPTH} nested indexes`);
      const manifests = listOf(document['manifests']).map((entry) => parseDescriptor(entry, what));
      descriptor = chooseManifest(manifests, platform);
      continue;
    }
    if (!isManifestType(descriptor.mediaType)) {
      throw corrupt(what, `unexpected media type ${descriptor.mediaType}`);
    }
    if (document['manifests'] !== undefined) {
      throw corrupt(what, `media-type: expected manifest but found index (${descriptor.mediaType})`);
    }
    // A manifest of an index that says nothing of its platform is judged by its config.
    const unjudged = depth > 0 && descriptor.platform === undefined;
    return readManifest(place, root, document, what, unjudged ? platform : undefined, signal);
  }
}

async function readManifest(
  place: ImagePlace,
  root: Descriptor,
  manifest: Fields,
  what: string,
  mustRunOn: Platform | undefined,
  signal: AbortSignal,
): Promise<PlatformImage> {
  const configDescriptor = parseDescriptor(manifest['config'], what);
  if (configDescriptor.size > MAX_CONFIG_BYTES) throw corrupt(what, 'the config is too large');
  const descriptors = listOf(manifest['layers']).map((entry) => parseDescriptor(entry, what));
  if (descriptors.length > MAX_LAYERS) throw corrupt(what, `more than ${MAX_LAYERS} layers`);
  const config = await place.document(configDescriptor, signal);
  const parsed = parseJson(config, `config ${configDescriptor.digest}`);
  if (mustRunOn !== undefined && !runsOn(mustRunOn, parsePlatform(parsed))) {
    throw new CairnError(`no match for platform in manifest ${root.digest}: not found`, {
      code: 'NOT_FOUND',
    });
  }
  const rootfs = fieldsOf(parsed['rootfs']);
  const diffIDs = listOf(rootfs['diff_ids']);
  if (diffIDs.length !== descriptors.length) {
    throw corrupt(
      what,
      `mismatched image rootfs and manifest layers: ${diffIDs.length} diff ids, ${descriptors.length} layers`,
    );
  }
  return {
    root,
    config,
    rootfsType: typeof rootfs['type'] === 'string' ? rootfs['type'] : '',
    layers: descriptors.map((descriptor, index) => {
      const diffID = diffIDs[index];
      if (typeof diffID !== 'string' || !isDigest(diffID))
        throw corrupt(what, 'the config has an invalid diff id');
      return { descriptor, diffID };
    }),
  };
}
