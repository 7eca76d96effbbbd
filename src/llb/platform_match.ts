/**
 * Which platforms an image may have to run on a given one, and in what order of preference: `platforms.Only`
 * of github.com/containerd/platforms as BuildKit v0.32.2 vendors it.
 */
import type { Platform } from './gen/ops_pb.js';
import { normalizePlatform, platformOf } from './platform.ts';

/** Minor versions that arm64 v9.x implements of v8.x: v9.0 is v8.5, and so on up to v8.9. */
const ARM64_V9_OFFSET = 5;
const ARM64_V8_MAX_MINOR = 9;

/** True when an image for `image` is exactly one for `wanted`, after normalising. */
export function platformsEqual(wanted: Platform, image: Platform): boolean {
  const a = normalizePlatform(wanted);
  const b = normalizePlatform(image);
  return (
    a.OS === b.OS &&
    a.Architecture === b.Architecture &&
    a.Variant === b.Variant &&
    (a.OS !== 'windows' || windowsVersionRuns(wanted.OSVersion, image.OSVersion)) &&
    b.OSFeatures.every(
      (feature) => (a.OS === 'windows' && feature === 'win32k') || a.OSFeatures.includes(feature),
    )
  );
}

/** The platforms whose images run on `platform`, best first: arm64 runs arm, amd64 runs 386. */
export function compatiblePlatforms(platform: Platform): Platform[] {
  return vector(normalizePlatform(platform));
}

/** Rank of an image's platform for a wanted one: 0 best, -1 does not run there. */
export function platformRank(wanted: Platform, image: Platform): number {
  return compatiblePlatforms(wanted).findIndex((candidate) => platformsEqual(candidate, image));
}

function vector(platform: Platform): Platform[] {
  const variant = (Variant: string, Architecture = platform.Architecture): Platform =>
    platformOf({ ...platform, Architecture, Variant });
  const version = /^v?(\d+)$/.exec(platform.Variant);
  switch (platform.Architecture) {
    case 'amd64': {
      const below = version === null ? [] : countDown(Number(version[1]) - 1, 1);
      return [platform, ...below.map((n) => variant(`v${n}`)), variant('', '386')];
    }
    case 'arm': {
      const below = version === null ? [] : countDown(Number(version[1]) - 1, 5);
      return [platform, ...below.map((n) => variant(`v${n}`))];
    }
    case 'arm64': {
      const wanted = /^v([89])(?:\.(\d))?$/.exec(platform.Variant === '' ? 'v8' : platform.Variant);
      const minor = Number(wanted?.[2] ?? 0);
      const names: string[] = [];
      if (wanted?.[1] === '9') {
        if (minor > 7) return vector(variant(platform.Variant, 'arm'));
        names.push(...armNames(9, minor));
      }
      if (wanted !== null) {
        names.push(
          ...armNames(8, wanted[1] === '9' ? Math.min(minor + ARM64_V9_OFFSET, ARM64_V8_MAX_MINOR) : minor),
        );
      }
      const arm = /^v[89]/.test(platform.Variant) || platform.Variant === '' ? 'v8' : platform.Variant;
      return [...names.map((name) => variant(name)), ...vector(variant(arm, 'arm'))];
    }
    default:
      return [platform];
  }
}

function countDown(from: number, to: number): number[] {
  const out: number[] = [];
  for (let n = from; n >= to; n--) out.push(n);
  return out;
}

function armNames(major: number, minor: number): string[] {
  return countDown(minor, 0).map((n) => (n === 0 ? `v${major}` : `v${major}.${n}`));
}

/** Windows Server releases with a stable ABI: a host runs containers from the release before its own on. */
const WINDOWS_LTSC_BUILDS = [20348, 26100];

function windowsVersionRuns(host: string, container: string): boolean {
  const h = windowsVersion(host);
  if (h === undefined || container === '') return true;
  const c = windowsVersion(container);
  if (c === undefined || h.major !== c.major || h.minor !== c.minor) return false;
  const first = WINDOWS_LTSC_BUILDS[0] ?? 0;
  if (h.build < first) return h.build === c.build;
  const oldest = WINDOWS_LTSC_BUILDS.findLast((build) => h.build > build) ?? first;
  return oldest <= c.build && c.build <= h.build;
}

function windowsVersion(text: string): { major: number; minor: number; build: number } | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(text);
  if (match === null) return undefined;
  return { major: Number(match[1]), minor: Number(match[2]), build: Number(match[3]) };
}
