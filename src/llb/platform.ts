/**
 * Platforms: parsing, formatting, normalising and matching, by the rules of the Go module
 * github.com/containerd/platforms v1.0.0-rc.4 as BuildKit v0.32.2 vendors it.
 */
import { create } from '@bufbuild/protobuf';
import { CairnError } from '../errors/error.ts';
import { PlatformSchema } from './gen/ops_pb.js';
import type { Platform } from './gen/ops_pb.js';

/** The fields of a platform, with the names of pb.Platform. */
export interface PlatformFields {
  OS: string;
  Architecture: string;
  Variant?: string;
  OSVersion?: string;
  OSFeatures?: readonly string[];
}

/** A platform message from its fields. */
export function platformOf(fields: PlatformFields): Platform {
  return create(PlatformSchema, {
    OS: fields.OS,
    Architecture: fields.Architecture,
    Variant: fields.Variant ?? '',
    OSVersion: fields.OSVersion ?? '',
    OSFeatures: [...(fields.OSFeatures ?? [])],
  });
}

const KNOWN_OS = new Set(
  (
    'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris ' +
    'windows zos'
  ).split(' '),
);
const KNOWN_ARCH = new Set(
  (
    '386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 ' +
    'mips64p32le ppc riscv riscv64 s390 s390x sparc sparc64 wasm'
  ).split(' '),
);

const GO_ARCH: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  loong64: 'loong64',
  ppc64: 'ppc64le',
};

/** The platform that this process runs on; variants are named for 32-bit ARM only. */
export function hostPlatform(): Platform {
  const arch = GO_ARCH[process.arch] ?? process.arch;
  return platformOf({ OS: process.platform, Architecture: arch, Variant: arch === 'arm' ? 'v7' : '' });
}

function normalizeOs(os: string): string {
  if (os === '') return process.platform;
  const lower = os.toLowerCase();
  return lower === 'macos' ? 'darwin' : lower;
}

function normalizeArch(architecture: string, variantText: string): { arch: string; variant: string } {
  const arch = architecture.toLowerCase();
  const variant = variantText.toLowerCase();
  switch (arch) {
    case 'i386':
      return { arch: '386', variant: '' };
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return { arch: 'amd64', variant: variant === 'v1' ? '' : variant };
    case 'aarch64':
    case 'arm64':
      if (variant === '8' || variant === 'v8' || variant === 'v8.0') return { arch: 'arm64', variant: '' };
      if (variant === '9' || variant === '9.0' || variant === 'v9.0') return { arch: 'arm64', variant: 'v9' };
      return { arch: 'arm64', variant };
    case 'armhf':
      return { arch: 'arm', variant: 'v7' };
    case 'armel':
      return { arch: 'arm', variant: 'v6' };
    case 'arm':
      if (variant === '' || variant === '7') return { arch, variant: 'v7' };
      return {
        arch,
        variant: variant === '5' || variant === '6' || variant === '8' ? `v${variant}` : variant,
      };
    default:
      return { arch, variant };
  }
}

/** The canonical form: lower case, aliases resolved, default variants left out. */
export function normalizePlatform(platform: Platform): Platform {
  const { arch, variant } = normalizeArch(platform.Architecture, platform.Variant);
  return platformOf({
    OS: normalizeOs(platform.OS),
    Architecture: arch,
    Variant: variant,
    OSVersion: platform.OSVersion,
    OSFeatures: [...new Set(platform.OSFeatures.toSorted())],
  });
}

const COMPONENT = /^[A-Za-z0-9_.-]+$/;
const OS_COMPONENT = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/;

/**
 * Parses `os[(version+feature…)][/arch[/variant]]` or an architecture alone; what is missing comes from the host.
 * @throws CairnError USAGE with the module's messages
 */
export function parsePlatform(specifier: string): Platform {
  if (specifier.includes('*')) throw invalid(`${quote(specifier)}: wildcards not yet supported`);
  const parts = specifier.split('/');
  if (parts.length > 4) parts.splice(3, parts.length, parts.slice(3).join('/'));
  const [osPart = '', archPart = '', variantPart = ''] = parts;
  const match = OS_COMPONENT.exec(osPart);
  if (match === null) {
    throw invalid(
      `${quote(osPart)} is an invalid OS component of ${quote(specifier)}: ` +
        `OSAndVersion specifier component must match ${quote(OS_COMPONENT.source)}`,
    );
  }
  const OS = normalizeOs(match[1] ?? '');
  const OSVersion = decodeOption(
    match[2] ?? '',
    (text, why) => `${quote(specifier)} has an invalid OS version ${quote(text)}: ${why}`,
  );
  const OSFeatures = (match[3] ?? '')
    .split('+')
    .slice(1)
    .map((text) =>
      decodeOption(
        text,
        (_, why) => `${quote(specifier)} has invalid OS features: invalid os feature ${quote(text)}: ${why}`,
      ),
    )
    .filter((feature) => feature !== '');
  for (const part of parts.slice(1)) {
    if (!COMPONENT.test(part)) {
      throw invalid(
        `${quote(part)} is an invalid component of ${quote(specifier)}: ` +
          `platform specifier component must match ${quote(COMPONENT.source)}`,
      );
    }
  }
  const base = { OS, OSVersion, OSFeatures };
  switch (parts.length) {
    case 1: {
      const host = hostPlatform();
      if (KNOWN_OS.has(OS)) return platformOf({ ...base, Architecture: host.Architecture });
      const { arch, variant } = normalizeArch(osPart, '');
      if (KNOWN_ARCH.has(arch)) {
        return platformOf({ ...base, OS: host.OS, Architecture: arch, Variant: withoutV7(arch, variant) });
      }
      throw invalid(`${quote(specifier)}: unknown operating system or architecture`);
    }
    case 2: {
      const { arch, variant } = normalizeArch(archPart, '');
      return platformOf({ ...base, Architecture: arch, Variant: withoutV7(arch, variant) });
    }
    case 3: {
      const { arch, variant } = normalizeArch(archPart, variantPart);
      return platformOf({
        ...base,
        Architecture: arch,
        Variant: arch === 'arm64' && variant === '' ? 'v8' : variant,
      });
    }
    default:
      throw invalid(`${quote(specifier)}: cannot parse platform specifier`);
  }
}

function withoutV7(arch: string, variant: string): string {
  return arch === 'arm' && variant === 'v7' ? '' : variant;
}

function decodeOption(text: string, message: (text: string, why: string) => string): string {
  if (!text.includes('%')) return text;
  const bad = /%(?![0-9A-Fa-f]{2}).{0,2}/.exec(text);
  if (bad !== null) {
    throw new CairnError(message(text, `invalid URL escape ${quote(bad[0])}`), { code: 'USAGE' });
  }
  return decodeURIComponent(text);
}

function invalid(message: string): CairnError {
  return new CairnError(`${message}: invalid argument`, { code: 'USAGE' });
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** `os/arch[/variant]`; `unknown` without an OS. */
export function formatPlatform(platform: Platform): string {
  if (platform.OS === '') return 'unknown';
  return joinParts(platform.OS, platform);
}

/** Like {@link formatPlatform}, with OS version and features: `windows(10.0.17763+win32k)/amd64`. */
export function formatPlatformFull(platform: Platform): string {
  if (platform.OS === '') return 'unknown';
  const features = [...new Set(platform.OSFeatures.toSorted())].filter((feature) => feature !== '');
  if (platform.OSVersion === '' && features.length === 0) return joinParts(platform.OS, platform);
  const options = [encodeOption(platform.OSVersion), ...features.map(encodeOption)].join('+');
  return joinParts(`${platform.OS}(${options})`, platform);
}

function joinParts(os: string, platform: Platform): string {
  return [os, platform.Architecture, platform.Variant].filter((part) => part !== '').join('/');
}

function encodeOption(text: string): string {
  return text.replace(/[%+()/]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
