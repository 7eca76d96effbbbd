/** Ends a container that is running, or on its way to. */
import { once } from 'node:events';
import { spawnProcess } from '../platform/spawn.ts';
import { PLAIN_ENVIRONMENT, type Runtime } from './runtime.ts';

/** Between two tries: a container that is still being made does not know of a kill. */
const RETRY_MS = 50;
/** After this time the runtime itself is killed too. */
const PATIENCE_MS = 10_000;

/**
 * Kills everything in the container and removes the runtime's record of it; resolves when
 * `end`, the end of the runtime's output, has. `pid` is the runtime process.
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
  for (;;) {
    await deleteContainer(container);
    await Promise.race([noted, new Promise((resolve) => setTimeout(resolve, RETRY_MS))]);
    if (ended) break;
    if (Date.now() > deadline) process.kill(pid, 'SIGKILL');
  }
  // Once more: the runtime may have made its record between the last try and its own end.
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
