/** What becomes of containers when cairn is killed. Needs root. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { workerEntryUrl } from '../../src/engine/worker_entry.ts';
import { detectCgroups } from '../../src/executor/cgroup.ts';
import { createExecutor } from '../../src/executor/executor.ts';
import { findRuntime } from '../../src/executor/runtime.ts';
import { createJobPool } from '../../src/platform/job_pool.ts';
import { openStore } from '../../src/store/open.ts';
import { unpackBusybox } from './busybox.ts';

/** How long a container may outlive its cairn. */
const PATIENCE_MS = 10_000;

const skip = process.geteuid?.() === 0 ? false : 'needs root';

/** Processes whose command line has this word, by id. */
function processesWith(word: string): { pid: number; command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => {
      try {
        return { pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, 'utf8') };
      } catch {
        return { pid: 0, command: '' };
      }
    })
    .filter(({ command }) => command.includes(word));
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended with another of them.
  }
}

/** Control groups of that name, in all hierarchies. */
function groupsNamed(name: string): string[] {
  const root = '/sys/fs/cgroup';
  const hierarchies = [root, ...readdirSync(root).map((each) => join(root, each))];
  return hierarchies.map((each) => join(each, 'cairn', name)).filter((path) => existsSync(path));
}

async function gone(word: string): Promise<boolean> {
  for (const start = Date.now(); Date.now() - start < PATIENCE_MS;) {
    if (processesWith(word).length === 0) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

describe('a killed cairn', { skip }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'cairn-killed-test-'));
  const base = join(scratch, 'base');
  unpackBusybox(base);
  after(() => rmSync(scratch, { recursive: true, force: true }));

  for (const name of ['runc', 'crun', 'unshare'] as const) {
    let missing: string | false = false;
    try {
      findRuntime({ ...process.env, CAIRN_RUNTIME: name });
    } catch {
      missing = `no ${name} here`;
    }

    /** A cairn whose step runs, in its own store. */
    async function start(marker: string) {
      const root = join(scratch, `store-${marker}`);
      const script = join(import.meta.dirname, 'killed_child.ts');
      const child = spawn(process.execPath, [script, root, base, name, marker], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      return { root, child };
    }

    async function runNext(root: string): Promise<void> {
      const store = openStore(root, []);
      const pool = createJobPool(workerEntryUrl);
      const runtime = findRuntime({ ...process.env, CAIRN_RUNTIME: name });
      const executor = createExecutor({ pool, store, runtime, warn: () => {} });
      try {
        const spec = {
          id: 'next',
          args: [],
          env: [],
          mounts: [],
          ulimits: [],
          extraHosts: [],
          validExitCodes: [],
        };
        // Any step, even one that cannot run, comes after the tidying.
        await assert.rejects(
          executor.run(
            {
              ...spec,
              rootfs: { kind: 'dir', path: base, readonly: true },
              readonlyRootfs: false,
              cwd: '/',
              user: 'nobody-here',
              hostname: '',
              cgroupParent: '',
              network: 'sandbox',
              security: 'sandbox',
              removeMountStubsRecursive: true,
            },
            { output() {}, signal: new AbortController().signal },
          ),
        );
      } finally {
        await pool.close();
        store.close();
      }
    }

    test(`leaves no container running with ${name}`, { skip: missing }, async () => {
      const marker = `cairn-killed-${name}-${process.pid}`;
      const { child } = await start(marker);
      assert(processesWith(marker).length > 0);
      child.kill('SIGKILL');
      await once(child, 'exit');
      assert(await gone(marker), JSON.stringify(processesWith(marker)));
    });

    test(`is tidied up after by the next build with ${name}`, { skip: missing }, async () => {
      const marker = `cairn-orphan-${name}-${process.pid}`;
      const { root, child } = await start(marker);
      for (const { pid } of processesWith('cairn-watcher').filter(({ command }) => command.includes(root))) {
        process.kill(pid, 'SIGKILL');
      }
      child.kill('SIGKILL');
      await once(child, 'exit');

      await runNext(root);
      assert(await gone(marker), JSON.stringify(processesWith(marker)));
      assert(!existsSync(join(root, 'executor', marker)));
    });

    const groupless =
      missing || (name === 'unshare' || detectCgroups(false) === 'none' ? 'no groups' : false);
    test(`leaves the next build to remove its control groups with ${name}`, { skip: groupless }, async () => {
      const marker = `cairn-groups-${name}-${process.pid}`;
      const { root, child } = await start(marker);
      assert(groupsNamed(marker).length > 0);
      child.kill('SIGKILL');
      // With the watcher dead and no record, as of a runtime that was killed before it wrote one.
      for (const { pid } of processesWith(marker)) kill(pid);
      await once(child, 'exit');
      assert(await gone(marker), JSON.stringify(processesWith(marker)));
      for (const owner of readdirSync(join(root, 'executor'))) {
        rmSync(join(root, 'executor', owner, 'state'), { recursive: true, force: true });
      }
      assert(groupsNamed(marker).length > 0);

      await runNext(root);
      assert.deepEqual(groupsNamed(marker), []);
    });
  }
});
