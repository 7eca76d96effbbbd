/** Image configs out of the base images of the golden data, an OCI layout whose index names them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../src/content/contract.ts';
import { CairnError } from '../../src/errors/error.ts';
import type { Platform } from '../../src/llb/gen/ops_pb.js';
import { hostPlatform, platformOf } from '../../src/llb/platform.ts';
import { platformRank } from '../../src/llb/platform_match.ts';
import { formatReference, parseNormalizedReference } from '../../src/llb/reference.ts';

interface Descriptor {
  digest: Digest;
  mediaType: string;
  annotations?: Record<string, string>;
  platform?: { os: string; architecture: string; variant?: string };
}

interface Manifest {
  manifests?: Descriptor[];
  config?: Descriptor;
}

export interface LayoutImage {
  digest: Digest;
  configDigest: Digest;
  config: Uint8Array;
}

const NAME = 'org.opencontainers.image.ref.name';

/** Looks images up by reference or digest. */
export class LayoutImages {
  readonly #dir: string;
  readonly #byName: ReadonlyMap<string, Digest>;

  constructor(layout: string) {
    this.#dir = layout;
    const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
    this.#byName = new Map(
      index.manifests.map(({ digest, annotations }) => [annotations?.[NAME] ?? '', digest]),
    );
  }

  /** @throws CairnError NOT_FOUND with the message that BuildKit's gateway gives */
  resolve(ref: string, platform: Platform = hostPlatform()): LayoutImage {
    const failed = (why: string): CairnError =>
      new CairnError(`failed to resolve source metadata for ${ref}: ${why}`, { code: 'NOT_FOUND' });
    const parsed = parseNormalizedReference(ref);
    const digest = parsed.digest ?? this.#byName.get(formatReference(parsed));
    if (digest === undefined || !existsSync(this.#path(digest))) throw failed(`${ref}: not found`);
    const top = this.#manifest(digest);
    const manifest = top.manifests === undefined ? top : this.#choose(top.manifests, platform);
    if (manifest?.config === undefined) throw failed('no match for platform in manifest: not found');
    const configDigest = manifest.config.digest;
    return { digest, configDigest, config: this.#blob(configDigest) };
  }

  #choose(manifests: readonly Descriptor[], wanted: Platform): Manifest | undefined {
    const ranked = manifests.flatMap(({ digest, platform }) => {
      if (platform === undefined) return [];
      const { os, architecture, variant = '' } = platform;
      const rank = platformRank(wanted, platformOf({ OS: os, Architecture: architecture, Variant: variant }));
      return rank === -1 ? [] : [{ digest, rank }];
    });
    const [best] = ranked.sort((a, b) => a.rank - b.rank);
    return best === undefined ? undefined : this.#manifest(best.digest);
  }

  #manifest(digest: Digest): Manifest {
    return JSON.parse(Buffer.from(this.#blob(digest)).toString('utf8')) as Manifest;
  }

  #blob(digest: Digest): Uint8Array {
    return readFileSync(this.#path(digest));
  }

  #path(digest: Digest): string {
    return join(this.#dir, 'blobs', digest.replace(':', '/'));
  }
}
