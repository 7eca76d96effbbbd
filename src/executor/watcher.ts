/**
 * Ends the containers when cairn is killed: a shell that waits for the end of a pipe, which the kernel closes when
 * this process is gone, however it ended. What a watcher that was killed too leaves behind is ended by the next
 * build (reap.ts).
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { closeDescriptor, pipe } from '../platform/pipe.ts';
import { spawnDetached } from '../platform/spawn.ts';
import { PLAIN_ENVIRONMENT, type Runtime } from './runtime.ts';

/** Arguments: the runtime and its state directory. Input: `+ PID` and `- PID` of runtime processes. */
const SCRIPT = `
pids=
while read -r change pid; do
  case $change in
  +) pids="$pids $pid" ;;
  -) rest=; for p in $pids; do [ "$p" = "$pid" ] || rest="$rest $p"; done; pids=$rest ;;
  esac
done
[ -n "$pids" ] || exit 0
for p in $pids; do kill -9 "-$p"; done
case $1 in *unshare) exit 0 ;; esac
for place in "$2"/*; do
  [ -e "$place" ] && "$1" --root "$2" delete --force "\${place##*/}"
done
`;

const watchers = new Map<string, number>();

/** Has `pid`, a runtime process of `state`, watched until the function that it returns is called. */
export function watch(runtime: Runtime, state: string, pid: number): () => void {
  const key = `${runtime.path} ${state}`;
  let fd = watchers.get(key);
  if (fd === undefined) watchers.set(key, (fd = start(runtime, state)));
  const to = fd;
  writeSync(to, `+ ${pid}\n`);
  return () => writeSync(to, `- ${pid}\n`);
}

/** @returns the pipe that it listens to, open for as long as this process lives */
function start(runtime: Runtime, state: string): number {
  const { read, write } = pipe();
  const nowhere = openSync('/dev/null', 'r+');
  try {
    spawnDetached('/bin/sh', ['-c', SCRIPT, 'cairn-watcher', runtime.path, state], PLAIN_ENVIRONMENT, [
      read,
      nowhere,
      nowhere,
    ]);
  } finally {
    closeSync(nowhere);
    closeDescriptor(read);
  }
  return write;
}
