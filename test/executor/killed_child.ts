/** A process to be killed: runs one endless step. Arguments: store, root file system, runtime, marker. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { workerEntryUrl } from '../../src/engine/worker_entry.ts';
import { createExecutor } from '../../src/executor/executor.ts';
import { findRuntime } from '../../src/executor/runtime.ts';
import { createJobPool } from '../../src/platform/job_pool.ts';
import { openStore } from '../../src/store/open.ts';

const [root = '', base = '', runtime = '', marker = ''] = process.argv.slice(2);
const store = openStore(root, []);
const executor = createExecutor({
  pool: createJobPool(workerEntryUrl),
  store,
  runtime: findRuntime({ ...process.env, CAIRN_RUNTIME: runtime }),
  warn: () => {},
});
const [upper, work] = [join(root, marker, 'upper'), join(root, marker, 'work')];
for (const directory of [upper, work]) mkdirSync(directory, { recursive: true });
await executor.run(
  {
    id: marker,
    rootfs: { kind: 'overlay', lowers: [base], upper, work, userxattr: false },
    readonlyRootfs: false,
    mounts: [],
    args: ['/bin/sh', '-c', 'echo running; while true; do sleep 0.05; done', marker],
    env: ['PATH=/bin'],
    cwd: '/',
    user: '',
    hostname: '',
    extraHosts: [],
    ulimits: [],
    cgroupParent: '',
    network: 'sandbox',
    security: 'sandbox',
    removeMountStubsRecursive: true,
    validExitCodes: [],
  },
  { output: () => process.stdout.write('running\n'), signal: new AbortController().signal },
);
