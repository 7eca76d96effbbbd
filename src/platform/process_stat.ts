import { readFileSync } from 'node:fs';

/**
 * The fields of /proc/PID/stat (proc(5)) that follow the name: state, parent's process id … Undefined: there is no
 * such process.
 */
export function processStat(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name is in parentheses and may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
