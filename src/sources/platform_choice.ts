/** Choosing a manifest of an index by platform, as containerd's images.LimitManifests with platforms.Only does. */
import { CairnError } from '../errors/error.ts';
import type { Descriptor, OciPlatform } from '../content/contract.ts';
import { platformOf } from '../llb/platform.ts';
import { platformRank } from '../llb/platform_match.ts';
import type { Platform } from '../llb/gen/ops_pb.js';

/** A platform in the spelling of the OCI specifications as LLB's message. */
export function fromOciPlatform(platform: OciPlatform): Platform {
  return platformOf({
    OS: platform.os,
    Architecture: platform.architecture,
    Variant: platform.variant ?? '',
    OSVersion: platform['os.version'] ?? '',
    OSFeatures: platform['os.features'] ?? [],
  });
}

/** True when an image for `image` runs on `wanted`. */
export function runsOn(wanted: Platform, image: OciPlatform): boolean {
  return platformRank(wanted, fromOciPlatform(image)) !== -1;
}

/**
 * The manifest for a platform: the best match; of equal ones that with more OS features, then the first; one
 * without a platform only when nothing else matches.
 * @throws CairnError NOT_FOUND
 */
export function chooseManifest(manifests: readonly Descriptor[], wanted: Platform): Descriptor {
  let best: { descriptor: Descriptor; rank: number; features: number } | undefined;
  for (const descriptor of manifests) {
    const { platform } = descriptor;
    const rank =
      platform === undefined ? Number.MAX_SAFE_INTEGER : platformRank(wanted, fromOciPlatform(platform));
    if (rank === -1) continue;
    const features = platform?.['os.features']?.length ?? 0;
    if (best === undefined || rank < best.rank || (rank === best.rank && features > best.features)) {
      best = { descriptor, rank, features };
    }
  }
  if (best === undefined) {
    throw new CairnError('no match for platform in manifest: not found', { code: 'NOT_FOUND' });
  }
  return best.descriptor;
}
