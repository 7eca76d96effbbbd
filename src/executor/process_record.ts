/** What is known of a step that no runtime keeps a record of: its process, by id and start time, in a file. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processStat } from '../platform/process_stat.ts';

/** Notes the process `pid` as that of step `id`. The function that it returns forgets it. */
export function recordProcess(state: string, id: string, pid: number): () => void {
  const file = join(state, id);
  writeFileSync(file, `${pid} ${startTime(pid) ?? ''}`);
  return () => rmSync(file, { force: true });
}

/** Kills the process of step `id`, unless its id belongs to another by now. */
export function killRecorded(state: string, id: string): void {
  const [pid = 0, started] = readFileSync(join(state, id), 'utf8').split(' ');
  if (Number(pid) > 1 && started !== '' && startTime(Number(pid)) === started) {
    // With its process group: see killContainer.
    process.kill(-Number(pid), 'SIGKILL');
  }
}

/** Field 22 of /proc/PID/stat (proc(5)): clock ticks since the machine started. */
function startTime(pid: number): string | undefined {
  return processStat(pid)?.[19];
}
