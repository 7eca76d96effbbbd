/** Exec ops with the real snapshot store and the default runtime. Needs root and runc or crun. */
import assert from 'node:assert/strict';
import { createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Descriptor, Digest } from '../../src/content/contract.ts';
import { createContentStore } from '../../src/content/store.ts';
import { workerEntryUrl } from '../../src/engine/worker_entry.ts';
import { CairnError } from '../../src/errors/error.ts';
import { createExecutor } from '../../src/executor/executor.ts';
import {
  ExecOpSchema,
  CacheSharingOpt,
  MountType,
  OpMetadataSchema,
  OpSchema,
  type MountSchema,
} from '../../src/llb/gen/ops_pb.js';
import { CACHE_MOUNT_TABLES } from '../../src/ops/exec/cache_mount_tables.ts';
import { cacheMountUsage, deleteCacheMount } from '../../src/ops/exec/cache_mount_usage.ts';
import { runExec } from '../../src/ops/exec/run.ts';
import type { OpServices } from '../../src/ops/services.ts';
import { createJobPool } from '../../src/platform/job_pool.ts';
import type { Snapshot, Tree } from '../../src/snapshots/contract.ts';
import { createSnapshotStore } from '../../src/snapshots/store.ts';
import { snapshotTables } from '../../src/snapshots/tables.ts';
import { openStore } from '../../src/store/open.ts';
import { busyboxLayers } from './busybox.ts';

type MountInit = MessageInitShape<typeof MountSchema>;

const ROOT: MountInit = { input: 0n, dest: '/', output: 0n };
const skip = process.geteuid?.() === 0 ? false : 'needs root';

describe('exec ops', { skip }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'cairn-exec-op-test-'));
  const store = openStore(join(scratch, 'store'), [snapshotTables, CACHE_MOUNT_TABLES]);
  const pool = createJobPool(workerEntryUrl);
  const snapshots = createSnapshotStore({ store, content: createContentStore(store), jobs: pool });
  const executor = createExecutor({ pool, store, warn: () => {} });
  const secrets = new Map<string, string>();
  const services: OpServices = {
    store,
    snapshots,
    pool,
    contentHasher: {} as OpServices['contentHasher'],
    sources: () => assert.fail('no sources here'),
    secrets: {
      secret: async (id) => (secrets.has(id) ? Buffer.from(secrets.get(id) ?? '') : undefined),
      sshSocket: async (id) => {
        if (id === 'default') return undefined;
        throw new CairnError(`unset ssh forward key ${id}`, { code: 'NOT_FOUND' });
      },
    },
    executor: async () => executor,
  };
  let busybox: Snapshot;

  before(async () => {
    const layers = busyboxLayers();
    busybox = await snapshots.fromLayers(
      layers.map(({ descriptor, diffID, path }) => ({
        descriptor: descriptor as Descriptor,
        diffID: diffID as Digest,
        provider: { read: () => createReadStream(path) },
      })),
      { description: 'busybox' },
    );
  });
  after(async () => {
    await pool.close();
    store.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  async function run(
    script: string,
    options: {
      mounts?: MountInit[];
      inputs?: (Tree | undefined)[];
      op?: Omit<MessageInitShape<typeof ExecOpSchema>, '$typeName'>;
      signal?: AbortSignal;
    } = {},
  ): Promise<{ trees: (Tree | undefined)[]; out: string }> {
    const { mounts = [ROOT], inputs = [busybox], signal = new AbortController().signal } = options;
    const op = create(ExecOpSchema, {
      mounts,
      ...options.op,
      meta: {
        args: ['/bin/sh', '-c', script],
        cwd: '/',
        removeMountStubsRecursive: true,
        ...options.op?.meta,
      },
    });
    const vertex = {
      digest: 'sha256:test' as const,
      op: create(OpSchema, { op: { case: 'exec', value: op } }),
      metadata: create(OpMetadataSchema),
      inputs: [],
      name: script,
    };
    let out = '';
    const progress = {
      log: (_: 1 | 2, data: Uint8Array) => void (out += Buffer.from(data).toString()),
      status() {},
      warning() {},
    };
    try {
      return { trees: await runExec(vertex, op, inputs, services, { signal, progress }), out };
    } catch (error) {
      if (error instanceof Error && out !== '') error.message += `\n${out}`;
      throw error;
    }
  }

  const cacheMount = (
    dest: string,
    ID: string,
    sharing: CacheSharingOpt,
    from: { input: bigint; selector: string } = { input: -1n, selector: '' },
  ): MountInit => ({
    ...from,
    output: -1n,
    dest,
    mountType: MountType.CACHE,
    cacheOpt: { ID, sharing },
  });

  test('the output of a step is the input of the next', async () => {
    const { trees } = await run('echo one > /one');
    const { out } = await run('cat /one; ls /dev', { inputs: trees });
    assert.match(out, /^one\n/);
  });

  test('each output of a step is a tree', async () => {
    const { trees } = await run('echo a > /a; echo b > /second/b', {
      mounts: [ROOT, { input: -1n, dest: '/second', output: 1n }],
    });
    assert.equal(trees.length, 2);
    const { out } = await run('cat /a; ls -A /m', {
      inputs: trees,
      mounts: [ROOT, { input: 1n, dest: '/m', output: -1n, readonly: true }],
    });
    assert.equal(out, 'a\nb\n');
  });

  test('a mount without output can be written, and nothing of it is kept', async () => {
    const { trees } = await run('echo x > /f');
    const mounts: MountInit[] = [ROOT, { input: 1n, dest: '/m', output: -1n }];
    await run('echo y > /m/f; cat /m/f', { inputs: [busybox, trees[0]], mounts });
    const { out } = await run('cat /m/f', { inputs: [busybox, trees[0]], mounts });
    assert.equal(out, 'x\n');
  });

  test('a directory of the host is mounted', async () => {
    const root = join(scratch, 'context');
    mkdirSync(join(root, 'sub'), { recursive: true });
    writeFileSync(join(root, 'sub/f'), 'from the host\n');
    const tree = {
      kind: 'host',
      name: 'context',
      id: 'h',
      root,
      includePatterns: [],
      excludePatterns: [],
      followPaths: [],
    } as const;
    const { out } = await run('cat /c/f', {
      inputs: [busybox, tree],
      mounts: [ROOT, { input: 1n, dest: '/c', selector: '/sub', output: -1n, readonly: true }],
    });
    assert.equal(out, 'from the host\n');
  });

  test('a failed step is an ExitError and keeps nothing', async () => {
    const before = snapshots.usage().length;
    await assert.rejects(run('echo x > /x; exit 4'), { code: 'EXEC', exitCode: 4 });
    assert.equal(snapshots.usage().length, before);
  });

  test('a cache mount keeps its files, and is listed and deleted', async () => {
    const mounts = [ROOT, cacheMount('/c', 'keep', CacheSharingOpt.SHARED)];
    await run('echo kept > /c/f', { mounts });
    assert.equal((await run('cat /c/f', { mounts })).out, 'kept\n');
    const mine = cacheMountUsage(store).filter(({ description }) => description.includes('"keep"'));
    assert.equal(mine.length, 1);
    assert.equal(mine[0]?.type, 'exec.cachemount');
    assert.equal(mine[0]?.usageCount, 2);
    assert.equal(mine[0]?.inUse, false);
    assert((deleteCacheMount(store, mine[0]?.id ?? '') ?? 0) > 0);
    await assert.rejects(run('cat /c/f', { mounts }), { exitCode: 1 });
  });

  test('a cache mount begins with the files of its input', async () => {
    const { trees } = await run(
      'mkdir -p /cache && chown 5:6 /cache && chmod 700 /cache && echo i > /cache/i',
    );
    const mounts = [
      ROOT,
      cacheMount('/c', 'from', CacheSharingOpt.SHARED, { input: 1n, selector: '/cache' }),
    ];
    const inputs = [busybox, trees[0]];
    const { out } = await run('stat -c "%u %g %a" /c; cat /c/i; echo more > /c/more', { mounts, inputs });
    assert.equal(out, '5 6 700\ni\n');
    assert.equal((await run('cat /c/i /c/more', { mounts, inputs })).out, 'i\nmore\n');
  });

  test('steps share a shared cache, and have private ones alone', async () => {
    const script =
      'echo x > /c/$ID; i=0; while [ $(ls /c | wc -l) -lt 2 ] && [ $i -lt 30 ]; do sleep 0.1; i=$((i+1)); done; ls /c | wc -l';
    const together = (sharing: CacheSharingOpt) =>
      Promise.all(
        ['a', 'b'].map(async (name) => {
          const op = { meta: { env: [`ID=${name}`], args: ['/bin/sh', '-c', script], cwd: '/' } };
          const mounts = [ROOT, cacheMount('/c', `both-${sharing}`, sharing)];
          return (await run('', { mounts, op })).out.trim();
        }),
      );
    assert.deepEqual(await together(CacheSharingOpt.SHARED), ['2', '2']);
    assert.deepEqual(await together(CacheSharingOpt.PRIVATE), ['1', '1']);
  });

  test('a step waits for a locked cache', async () => {
    const mounts = [ROOT, cacheMount('/c', 'locked', CacheSharingOpt.LOCKED)];
    const script = 'test ! -e /c/busy || exit 9; touch /c/busy; sleep 0.4; rm /c/busy; echo x >> /c/count';
    await Promise.all([run(script, { mounts }), run(script, { mounts }), run(script, { mounts })]);
    assert.equal((await run('wc -l < /c/count', { mounts })).out, '3\n');
  });

  test('a step that waits for a locked cache can be canceled', async () => {
    const mounts = [ROOT, cacheMount('/c', 'wait', CacheSharingOpt.LOCKED)];
    const first = new AbortController();
    const holder = run('sleep 100', { mounts, signal: first.signal });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const second = new AbortController();
    const waiter = run('true', { mounts, signal: second.signal });
    setTimeout(() => second.abort(), 50);
    await assert.rejects(waiter);
    first.abort();
    await assert.rejects(holder, { code: 'CANCELED' });
  });

  test('secrets are files and variables, and taken out of the output', async () => {
    secrets.set('token', 'very-secret-value');
    const { out } = await run('cat /s; echo; echo env=$TOKEN; printf very-; sleep 0.1; printf secret-value', {
      mounts: [
        ROOT,
        {
          input: -1n,
          output: -1n,
          dest: '/s',
          mountType: MountType.SECRET,
          secretOpt: { ID: 'token', uid: 0, gid: 0, mode: 0o400 },
        },
      ],
      op: { secretenv: [{ ID: 'token', name: 'TOKEN' }] },
    });
    assert.equal(out, 'xxxxx\nenv=xxxxx\nxxxxx');
  });

  test('a secret that is missing is an error, or left out when optional', async () => {
    const secret = (optional: boolean): MountInit => ({
      input: -1n,
      output: -1n,
      dest: '/s',
      mountType: MountType.SECRET,
      secretOpt: { ID: 'none', mode: 0o400, optional },
    });
    await assert.rejects(run('true', { mounts: [ROOT, secret(false)] }), {
      message: 'secret none: not found',
    });
    assert.equal((await run('test -e /s || echo absent', { mounts: [ROOT, secret(true)] })).out, 'absent\n');
  });

  test('an agent that is missing is an error, or left out when optional', async () => {
    const ssh = (ID: string, optional: boolean): MountInit => ({
      input: -1n,
      output: -1n,
      dest: '/s',
      mountType: MountType.SSH,
      SSHOpt: { ID, mode: 0o600, optional },
    });
    // A client that forwards none at all, and one that forwards others.
    await assert.rejects(run('true', { mounts: [ROOT, ssh('', false)] }), {
      message: 'no SSH key "" forwarded from the client',
    });
    await assert.rejects(run('true', { mounts: [ROOT, ssh('other', false)] }), {
      message: 'unset ssh forward key other',
    });
    for (const id of ['', 'other']) {
      assert.equal(
        (await run('test -e /s || echo absent', { mounts: [ROOT, ssh(id, true)] })).out,
        'absent\n',
      );
    }
  });

  test('proxy settings and a default PATH are in the environment', async () => {
    const { out } = await run('env | grep -iE "^(path|http_proxy)=" | sort', {
      op: {
        meta: {
          proxyEnv: { httpProxy: 'http://p:1' },
          args: ['/bin/sh', '-c', 'env | grep -iE "^(path|http_proxy)=" | sort'],
          cwd: '/',
        },
      },
    });
    assert.equal(
      out,
      'HTTP_PROXY=http://p:1\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nhttp_proxy=http://p:1\n',
    );
  });
});
