/** Ends a container that is running, or on its way to. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { spawnProcess } from '../platform/spawn.ts';
import { processStat } from '../platform/process_stat.ts';
import { PLAIN_ENVIRONMENT, type Runtime } from './runtime.ts';

/** Between two tries: a container that is still being made has no process yet. */
const RETRY_MS = 20;
/** After this time the runtime itself is killed too. */
const PATIENCE_MS = 10_000;

/**
 * Kills everything in the container and removes the runtime's record of it; resolves when
 * `end`, the end of the runtime's output, has. `pid` is the runtime process, and not waited for yet.
 */
export async function killContainer(
  container: { runtime: Runtime; state: string; id: string },
  pid: number,
  end: Promise<unknown>,
): Promise<void> {
  const { runtime } = container;
  if (runtime.name === 'unshare') {
    // The death of the PID namespace's first process is the death of all in it. Just after its birth it does not
    // die with unshare yet (--kill-child), but is in its process group.
    process.kill(-pid, 'SIGKILL');
    return;
  }
  let ended = false;
  const noted = end.then(
    () => (ended = true),
    () => (ended = true),
  );
  const deadline = Date.now() + PATIENCE_MS;
  while (!ended) {
    // `delete --force` of a container that is being made takes its record away, and crun then starts the process
    // that nobody can find any more. Its first process, killed, takes all others with it and ends the runtime.
    if (hasEnded(pid)) await deleteContainer(container);
    else if (Date.now() > deadline) process.kill(pid, 'SIGKILL');
    else killChildren(pid);
    await Promise.race([noted, new Promise((resolve) => setTimeout(resolve, RETRY_MS))]);
  }
  await deleteContainer(container);
}

/** `RUNTIME delete --force`: kills what runs and removes the record. Errors mean that there is nothing. */
export async function deleteContainer(container: {
  runtime: Runtime;
  state: string;
  id: string;
}): Promise<void> {
  const { runtime, state, id } = container;
  const child = spawnProcess(runtime.path, ['--root', state, 'delete', '--force', id], PLAIN_ENVIRONMENT);
  await Promise.all([child.stdout, child.stderr].map((pipe) => once(pipe.resume(), 'close')));
  await child.exitCode();
}

/** True of a process that is gone but for its exit code. */
function hasEnded(pid: number): boolean {
  const state = processStat(pid)?.[0];
  return state === undefined || state === 'Z' || state === 'X';
}

function killChildren(parent: number): void {
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || Number(processStat(pid)?.[1]) !== parent) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself meanwhile.
    }
  }
}
