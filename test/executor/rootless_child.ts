/** Runs one step as an ordinary user; prints its output. Arguments: scratch directory, runtime, script. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { callingUser, enterUserNamespace } from '../../src/platform/rootless.ts';

enterUserNamespace();
const { workerEntryUrl } = await import('../../src/engine/worker_entry.ts');
const { createExecutor } = await import('../../src/executor/executor.ts');
const { findRuntime } = await import('../../src/executor/runtime.ts');
const { createJobPool } = await import('../../src/platform/job_pool.ts');
const { openStore } = await import('../../src/store/open.ts');
const { unpackBusybox } = await import('./busybox.ts');

const [scratch = '', runtime = '', script = ''] = process.argv.slice(2);
const base = join(scratch, 'base');
const [upper, work] = [join(scratch, 'upper'), join(scratch, 'work')];
for (const directory of [upper, work]) mkdirSync(directory, { recursive: true });
unpackBusybox(base);
const store = openStore(join(scratch, 'store'), []);
const pool = createJobPool(workerEntryUrl);
process.stdout.write(`${process.getuid?.()} ${callingUser()}\n`);
try {
  const executor = createExecutor({
    pool,
    store,
    runtime: findRuntime({ ...process.env, CAIRN_RUNTIME: runtime }),
    warn: () => {},
  });
  await executor.run(
    {
      id: `cairn-rootless-${process.pid}`,
      rootfs: { kind: 'overlay', lowers: [base], upper, work, userxattr: true },
      readonlyRootfs: false,
      mounts: [
        {
          dest: '/s',
          readonly: true,
          source: { kind: 'secret', data: Buffer.from('secret\n'), uid: 3, gid: 4, mode: 0o444 },
        },
        {
          dest: '/ro',
          readonly: true,
          source: { kind: 'tree', selector: '/bin', mount: { kind: 'dir', path: base, readonly: true } },
        },
      ],
      args: ['/bin/sh', '-c', script],
      env: ['PATH=/bin:/sbin:/usr/bin'],
      cwd: '/',
      user: '',
      hostname: '',
      extraHosts: [],
      ulimits: [],
      cgroupParent: '',
      network: 'none',
      security: 'sandbox',
      removeMountStubsRecursive: true,
      validExitCodes: [],
    },
    { output: (_, data) => void process.stdout.write(data), signal: new AbortController().signal },
  );
} finally {
  await pool.close();
  store.close();
}
