/** The snapshot store as an ordinary user who is root in a user namespace with one id. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const child = join(import.meta.dirname, 'rootless_child.ts');
const NOBODY = '65534';

function asNobody(...command: string[]): ReturnType<typeof spawnSync> {
  const user = ['--reuid', NOBODY, '--regid', NOBODY, '--clear-groups'];
  const namespace = ['unshare', '--user', '--map-root-user', ...command];
  return spawnSync('setpriv', [...user, ...namespace], { encoding: 'utf8', cwd: '/' });
}

const able =
  asNobody('test', '-r', child).status === 0 && asNobody(process.execPath, '--version').status === 0;

for (const snapshotter of ['', 'native']) {
  test(
    `a user without privileges makes and unpacks layers, snapshotter ${snapshotter || 'by trial'}`,
    { skip: able ? false : 'no user namespaces here, or the checkout is not readable by others' },
    () => {
      const { status, stderr } = asNobody('env', `CAIRN_SNAPSHOTTER=${snapshotter}`, process.execPath, child);
      assert.equal(status, 0, String(stderr));
    },
  );
}
