/** The seccomp profile as a compiled filter, for crun: compiling takes it longer than all the rest. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  compileFilter,
  SCMP_ACT_ALLOW,
  SCMP_CMP,
  scmpActErrno,
  type FilterRule,
} from '../platform/libseccomp.ts';
import type { OciSpec } from './oci_spec.ts';
import { seccompProfile, type Seccomp, type SeccompRule } from './seccomp_profile.ts';

/** crun(1), section "run.oci.seccomp_bpf_data": base64 of the BPF program, since 0.16. */
const ANNOTATION = 'run.oci.seccomp_bpf_data';
/** Part of the file's name: to be raised when the compiling below changes. */
const VERSION = 1;

const filters = new Map<string, string | undefined>();

/**
 * Adds the compiled filter, where it can be had; crun takes it instead of the profile, which stays for versions
 * that do not know it. `folder` keeps it for later processes.
 */
export function useCompiledFilter(oci: OciSpec, folder: string): void {
  const { seccomp } = oci.linux;
  if (seccomp === undefined) return;
  const filter = compiled(seccomp, folder);
  if (filter === undefined) return;
  oci.annotations = { ...oci.annotations, [ANNOTATION]: filter };
}

/** Makes the filter of ordinary steps ahead of the first one. */
export function prepareFilter(folder: string): void {
  compiled(seccompProfile(process.arch), folder);
}

function compiled(seccomp: Seccomp, folder: string): string | undefined {
  const key = createHash('sha256')
    .update(JSON.stringify([VERSION, seccomp]))
    .digest('hex');
  if (filters.has(key)) return filters.get(key);
  const file = join(folder, `${key}.bpf`);
  const filter = stored(file) ?? compileAndStore(seccomp, folder, file);
  filters.set(key, filter);
  return filter;
}

function stored(file: string): string | undefined {
  try {
    return readFileSync(file, 'base64');
  } catch {
    return undefined;
  }
}

function compileAndStore(seccomp: Seccomp, folder: string, file: string): string | undefined {
  const filter = compileFilter(
    scmpActErrno(seccomp.defaultErrnoRet),
    seccomp.architectures.map((name) => name.replace('SCMP_ARCH_', '').toLowerCase()),
    seccomp.syscalls.flatMap(filterRules),
  );
  if (filter === undefined) return undefined;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, filter, { flush: true });
  renameSync(unfinished, file);
  return filter.toString('base64');
}

function filterRules(rule: SeccompRule): FilterRule[] {
  const action = rule.action === 'SCMP_ACT_ALLOW' ? SCMP_ACT_ALLOW : scmpActErrno(rule.errnoRet ?? 1);
  const conditions = (rule.args ?? []).map(({ index, value, valueTwo = 0, op }) => ({
    index,
    op: SCMP_CMP[op.replace('SCMP_CMP_', '') as keyof typeof SCMP_CMP],
    a: BigInt(value),
    b: BigInt(valueTwo),
  }));
  return rule.names.map((name) => ({ name, action, conditions }));
}
