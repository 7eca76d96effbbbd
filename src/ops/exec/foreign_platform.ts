import { readFileSync } from 'node:fs';
import type { Platform } from '../../llb/gen/ops_pb.js';
import { hostPlatform } from '../../llb/platform.ts';

/** What a kernel of this architecture runs besides its own programs. */
const ALSO: Record<string, readonly string[]> = { amd64: ['386'], arm64: ['arm'] };
/** Go's names and those of qemu's binfmt_misc entries. */
const QEMU: Record<string, string> = {
  arm64: 'aarch64',
  amd64: 'x86_64',
  '386': 'i386',
  arm: 'arm',
  riscv64: 'riscv64',
  s390x: 's390x',
  ppc64le: 'ppc64le',
};

/** Why programs of `platform` may not run here; undefined where they do. */
export function foreignPlatformHint(platform: Platform | undefined): string | undefined {
  const host = hostPlatform();
  if (platform === undefined || platform.Architecture === host.Architecture) return undefined;
  if (ALSO[host.Architecture]?.includes(platform.Architecture) === true) return undefined;
  if (isEmulated(platform.Architecture)) return undefined;
  const wanted = `${platform.OS}/${platform.Architecture}`;
  return `The step is for ${wanted}, this machine is ${host.OS}/${host.Architecture}: register an emulator for it (binfmt_misc, package qemu-user-static).`;
}

function isEmulated(architecture: string): boolean {
  const entry = `/proc/sys/fs/binfmt_misc/qemu-${QEMU[architecture] ?? architecture}`;
  try {
    return readFileSync(entry, 'utf8').startsWith('enabled');
  } catch {
    return false;
  }
}
