/** Compiles system call filters with libseccomp, which crun brings along; it costs 20 ms, so results are kept. */
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as KoffiModule from 'koffi';

/** One rule: the call by name, what is done, and conditions on its arguments. */
export interface FilterRule {
  name: string;
  action: number;
  conditions: { index: number; op: number; a: bigint; b: bigint }[];
}

/** Values of seccomp.h: actions, comparison operators, attributes. */
export const SCMP_ACT_ALLOW = 0x7fff0000;
export const scmpActErrno = (errno: number): number => 0x00050000 | errno;
export const SCMP_CMP = { LT: 2, EQ: 4, GT: 6, MASKED_EQ: 7 } as const;
const SCMP_FLTATR_CTL_OPTIMIZE = 8;
/** A binary tree instead of one comparison after the other. */
const OPTIMIZE_TREE = 2;
const UNKNOWN_CALL = -1;
const EEXIST = 17;
/** Of `struct scmp_arg_cmp`. */
const CONDITION_BYTES = 24;

const require = createRequire(import.meta.url);

/**
 * The BPF program of a filter. Calls that libseccomp does not know are left out, as runtimes do.
 * @param architectures names as libseccomp has them, e.g. `x86_64`; the native one need not be there
 * @returns undefined where libseccomp is not installed
 * @throws Error when it refuses a rule
 */
export function compileFilter(
  defaultAction: number,
  architectures: readonly string[],
  rules: readonly FilterRule[],
): Buffer | undefined {
  const koffi = require('koffi') as typeof KoffiModule;
  let library: ReturnType<typeof koffi.load>;
  try {
    library = koffi.load('libseccomp.so.2');
  } catch {
    return undefined;
  }
  const call = {
    init: library.func('void *seccomp_init(uint32_t)'),
    release: library.func('void seccomp_release(void *)'),
    set: library.func('int seccomp_attr_set(void *, int, uint32_t)'),
    architecture: library.func('uint32_t seccomp_arch_resolve_name(str)'),
    add: library.func('int seccomp_arch_add(void *, uint32_t)'),
    resolve: library.func('int seccomp_syscall_resolve_name(str)'),
    rule: library.func('int seccomp_rule_add_array(void *, uint32_t, int, uint32_t, const void *)'),
    export: library.func('int seccomp_export_bpf(void *, int)'),
  };
  const check = (result: unknown, what: string): void => {
    if (Number(result) !== 0) throw new Error(`libseccomp: ${what}: error ${String(result)}`);
  };
  const context: unknown = call.init(defaultAction);
  try {
    // Older versions have no trees; the filter is the same.
    call.set(context, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_TREE);
    for (const name of architectures) {
      const result: unknown = call.add(context, call.architecture(name));
      if (result !== -EEXIST) check(result, name);
    }
    for (const { name, action, conditions } of rules) {
      const number = Number(call.resolve(name));
      if (number === UNKNOWN_CALL) continue;
      const array = Buffer.alloc(Math.max(1, conditions.length) * CONDITION_BYTES);
      conditions.forEach(({ index, op, a, b }, at) => {
        array.writeUInt32LE(index, at * CONDITION_BYTES);
        array.writeUInt32LE(op, at * CONDITION_BYTES + 4);
        array.writeBigUInt64LE(a, at * CONDITION_BYTES + 8);
        array.writeBigUInt64LE(b, at * CONDITION_BYTES + 16);
      });
      check(call.rule(context, action, number, conditions.length, array), name);
    }
    return exported((fd) => check(call.export(context, fd), 'export'));
  } finally {
    call.release(context);
  }
}

function exported(write: (fd: number) => void): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-seccomp-'));
  try {
    const file = join(directory, 'filter');
    const fd = openSync(file, 'w');
    try {
      write(fd);
    } finally {
      closeSync(fd);
    }
    return readFileSync(file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
