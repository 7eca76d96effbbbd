/**
 * Temporary files beside what they will replace, in directories that are the user's: named so that a later process
 * can tell whether the one that made them is still there.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { processStat } from './process_stat.ts';

/** `.cairn-PLACE-PID-START-THREAD-N.tmp`: where process ids mean the same, the process, when it began, a count. */
const NAME = /^\.cairn-([0-9a-f]{12})-(\d+)-(\d+)-\d+-\d+\.tmp$/;
/** Of processes elsewhere nothing can be known; a file of theirs that nobody has written to for so long is left over. */
const MAX_AGE_MS = 24 * 60 * 60 * 1000;
/** Index of `starttime` among the fields that follow the name (proc(5)). */
const START_TIME = 19;

let own: string | undefined;
let count = 0;

/** A new name for a file of this process; a name only, without a directory. */
export function temporaryName(): string {
  own ??= `.cairn-${place()}-${process.pid}-${startOf(process.pid) ?? 0}`;
  return `${own}-${threadId}-${count++}.tmp`;
}

/** Removes from `directory` what processes that are gone left under such names. Never fails: it is not what was asked for. */
export function removeAbandoned(directory: string | Buffer): void {
  try {
    for (const name of readdirSync(directory)) {
      const match = NAME.exec(name);
      if (match === null) continue;
      const path = Buffer.concat([Buffer.from(directory), Buffer.from(`/${name}`)]);
      if (isAbandoned(path, match)) rmSync(path, { force: true });
    }
  } catch {
    // Nothing to read, or not ours to remove.
  }
}

function isAbandoned(path: Buffer, [, where, pid, start]: RegExpExecArray): boolean {
  if (where === place()) return startOf(Number(pid)) !== start;
  const modified = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return modified !== undefined && Date.now() - modified > MAX_AGE_MS;
}

/** The same for processes that see each other's ids: one boot of one machine, one PID namespace. */
function place(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const namespace = readlinkSync('/proc/self/ns/pid');
  return createHash('sha256').update(`${boot} ${namespace}`).digest('hex').slice(0, 12);
}

function startOf(pid: number): string | undefined {
  return processStat(pid)?.[START_TIME];
}
