/** Real steps by each runtime that is installed. Needs root. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { workerEntryUrl } from '../../src/engine/worker_entry.ts';
import type { ExecSpec } from '../../src/executor/contract.ts';
import { createExecutor } from '../../src/executor/executor.ts';
import { ExitError } from '../../src/executor/exit_error.ts';
import { findRuntime } from '../../src/executor/runtime.ts';
import { createJobPool } from '../../src/platform/job_pool.ts';
import { openStore } from '../../src/store/open.ts';
import { unpackBusybox } from './busybox.ts';

const scratch = mkdtempSync(join(tmpdir(), 'cairn-executor-test-'));
const base = join(scratch, 'base');
unpackBusybox(base);
for (const directory of ['etc', 'dev', 'proc', 'sys']) mkdirSync(join(base, directory), { recursive: true });
for (const file of ['hosts', 'resolv.conf']) writeFileSync(join(base, 'etc', file), '');
writeFileSync(
  join(base, 'etc/passwd'),
  'root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1001::/home/bob:/bin/sh\n',
);
writeFileSync(join(base, 'etc/group'), 'root:x:0:\nbob:x:1001:\nwheel:x:10:root,bob\n');
const store = openStore(join(scratch, 'store'), []);
const pool = createJobPool(workerEntryUrl);
after(async () => {
  await pool.close();
  store.close();
  rmSync(scratch, { recursive: true, force: true });
});

let number = 0;

/** A step over busybox with a fresh upper directory. */
function step(script: string, over: Partial<ExecSpec> = {}): ExecSpec & { upper: string } {
  const id = `cairn-test-${process.pid}-${++number}`;
  const upper = join(scratch, id, 'upper');
  const work = join(scratch, id, 'work');
  mkdirSync(upper, { recursive: true });
  mkdirSync(work);
  return {
    upper,
    id,
    rootfs: { kind: 'overlay', lowers: [base], upper, work, userxattr: false },
    readonlyRootfs: false,
    mounts: [],
    args: ['/bin/sh', '-c', script],
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
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
    ...over,
  };
}

function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted();
}

for (const name of ['runc', 'crun', 'unshare'] as const) {
  let skip: string | false = process.geteuid?.() === 0 ? false : 'needs root';
  try {
    findRuntime({ ...process.env, CAIRN_RUNTIME: name });
  } catch {
    skip = `no ${name} here`;
  }

  describe(`executor with ${name}`, { skip }, () => {
    const runtime = skip === false ? findRuntime({ ...process.env, CAIRN_RUNTIME: name }) : undefined;
    const executor = createExecutor({
      pool,
      store,
      ...(runtime === undefined ? {} : { runtime }),
      warn: () => {},
    });

    async function run(spec: ExecSpec, signal = new AbortController().signal): Promise<string> {
      const out = { 1: '', 2: '' };
      const decoder = new TextDecoder();
      try {
        await executor.run(spec, { output: (stream, data) => (out[stream] += decoder.decode(data)), signal });
      } catch (error) {
        if (error instanceof ExitError) throw Object.assign(error, { stderr: out[2] });
        throw new Error(`${out[1]}${out[2]}`, { cause: error });
      }
      return out[1];
    }

    test('writes to the upper directory and leaves no stub behind', async () => {
      const spec = step('echo hello > /file; touch /empty', {
        mounts: [{ dest: '/x/y/z', readonly: false, source: { kind: 'tmpfs', sizeBytes: 0 } }],
      });
      await run(spec);
      assert.deepEqual(filesIn(spec.upper), ['empty', 'file']);
      assert.equal(readFileSync(join(spec.upper, 'file'), 'utf8'), 'hello\n');
    });

    test('makes parents of mount points as every runtime does, and keeps those that were written to', async () => {
      const spec = step('touch /p/kept', {
        mounts: [{ dest: '/p/q/r', readonly: false, source: { kind: 'tmpfs', sizeBytes: 0 } }],
      });
      await run(spec);
      assert.deepEqual(filesIn(spec.upper), ['p', 'p/kept']);
      assert.equal(statSync(join(spec.upper, 'p')).mode & 0o7777, 0o755);
    });

    test('gives default hostname, hosts and name servers', async () => {
      const out = await run(step('hostname; cat /etc/hosts; grep -c nameserver /etc/resolv.conf'));
      assert.match(
        out,
        /^buildkitsandbox\n127\.0\.0\.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n[1-9]/,
      );
    });

    test('gives the hostname and extra hosts asked for', async () => {
      const out = await run(
        step('hostname; tail -n1 /etc/hosts', {
          hostname: 'box',
          extraHosts: [{ host: 'db', ip: '10.0.0.9' }],
        }),
      );
      assert.equal(out, 'box\n10.0.0.9\tdb\n');
    });

    test('gives the environment with HOME and the tracing variables of BuildKit', async () => {
      const out = await run(step('env | sort', { env: ['PATH=/bin', 'B=x y', 'A='] }));
      assert.match(out, /^OTEL_TRACES_EXPORTER=otlp$/m);
      const names = out.split('\n').filter((line) => !/^(PWD|SHLVL|_|OTEL_.*)=/.test(line));
      assert.deepEqual(names, ['A=', 'B=x y', 'HOME=/root', 'PATH=/bin', '']);
    });

    test('has default capabilities and may gain privileges', async () => {
      const out = await run(step('grep -E "^Cap(Eff|Bnd|Inh|Amb)|NoNewPrivs" /proc/self/status'));
      assert.match(out, /CapInh:\t0+\n/);
      assert.match(out, /CapEff:\t00000000a80425fb\n/);
      assert.match(out, /CapBnd:\t00000000a80425fb\n/);
      assert.match(out, /NoNewPrivs:\t0\n/);
    });

    test('has a seccomp filter', { skip: name === 'unshare' ? 'none with unshare' : false }, async () => {
      assert.equal(await run(step('grep "^Seccomp:" /proc/self/status')), 'Seccomp:\t2\n');
      await assert.rejects(run(step('mkdir /m; unshare -m true')), ExitError);
    });

    test('cannot write to /proc/sys', async () => {
      await assert.rejects(run(step('echo 1 > /proc/sys/vm/drop_caches')), ExitError);
    });

    test('runs as a user by name with all groups', async () => {
      assert.equal(
        await run(step('id -u; id -g; id -G; echo $HOME', { user: 'bob' })),
        '1000\n1001\n1001 10\n/home/bob\n',
      );
    });

    test('runs as a user and group by number', async () => {
      assert.equal(await run(step('id -u; id -g; id -G', { user: '5:6' })), '5\n6\n6\n');
    });

    test('rejects with NOT_FOUND when the user is unknown', async () => {
      await assert.rejects(
        executor.run(step('true', { user: 'nobody-here' }), {
          output() {},
          signal: new AbortController().signal,
        }),
        { code: 'NOT_FOUND', message: 'unable to find user nobody-here: no matching entries in passwd file' },
      );
    });

    test('makes a missing working directory for the user', async () => {
      const spec = step('pwd', { cwd: '/a/b', user: '7:8' });
      assert.equal(await run(spec), '/a/b\n');
      assert.deepEqual([statSync(join(spec.upper, 'a')).uid, statSync(join(spec.upper, 'a/b')).gid], [7, 8]);
    });

    test('rejects with the words of BuildKit when the process fails', async () => {
      await assert.rejects(run(step('exit 3; "x"')), {
        name: 'ExitError',
        code: 'EXEC',
        exitCode: 3,
        message: String.raw`process "/bin/sh -c exit 3; \"x\"" did not complete successfully: exit code: 3`,
      });
    });

    test('adds 128 to the number of the signal that ended the process', async () => {
      await assert.rejects(run(step('sh -c "kill -9 \\$\\$"; exit $?')), { exitCode: 137 });
    });

    test('takes a valid exit code other than 0', async () => {
      await run(step('exit 3', { validExitCodes: [3] }));
      await assert.rejects(run(step('exit 0', { validExitCodes: [3] })), { exitCode: 0 });
    });

    test('stdin is an ended pipe', async () => {
      assert.equal(await run(step('[ -p /dev/stdin ] && cat && echo end')), 'end\n');
    });

    test('passes on much output in order', async () => {
      const out = await run(step('i=0; while [ $i -lt 30000 ]; do i=$((i+1)); echo line $i; done'));
      const lines = out.split('\n');
      assert.equal(lines.length, 30_001);
      assert.equal(lines[29_999], 'line 30000');
    });

    test('binds directories and files of a tree, read-only or not', async () => {
      const tree = join(scratch, `tree-${name}`);
      mkdirSync(join(tree, 'sub'), { recursive: true });
      writeFileSync(join(tree, 'sub/f'), 'content');
      const mount = { kind: 'dir', path: tree, readonly: false } as const;
      const spec = step(
        'cat /in/file; cat /all/sub/f; touch /all/no 2>/dev/null || echo read-only; touch /rw/new; ls /rw',
        {
          mounts: [
            { dest: '/all', readonly: true, source: { kind: 'tree', mount, selector: '/' } },
            { dest: '/in/file', readonly: true, source: { kind: 'tree', mount, selector: 'sub/f' } },
            { dest: '/rw', readonly: false, source: { kind: 'tree', mount, selector: 'sub' } },
          ],
        },
      );
      assert.equal(await run(spec), 'contentcontentread-only\nf\nnew\n');
      assert.deepEqual(filesIn(spec.upper), []);
      assert(existsSync(join(tree, 'sub/new')));
    });

    test('does not follow a selector out of its tree', async () => {
      const tree = join(scratch, `escape-${name}`);
      mkdirSync(join(tree, 'etc'), { recursive: true });
      writeFileSync(join(tree, 'etc/hostname'), 'inside');
      symlinkSync('/../../etc/hostname', join(tree, 'link'));
      const mount = { kind: 'dir', path: tree, readonly: false } as const;
      const spec = step('cat /f', {
        mounts: [{ dest: '/f', readonly: true, source: { kind: 'tree', mount, selector: 'link' } }],
      });
      assert.equal(await run(spec), 'inside');
    });

    test('rejects when a selector names nothing', async () => {
      const mount = { kind: 'dir', path: base, readonly: false } as const;
      const spec = step('true', {
        mounts: [{ dest: '/f', readonly: true, source: { kind: 'tree', mount, selector: '/nothing' } }],
      });
      await assert.rejects(executor.run(spec, { output() {}, signal: new AbortController().signal }), {
        code: 'SOLVE',
        message: 'open /nothing: no such file or directory',
      });
    });

    test('mounts an overlay below the root', async () => {
      const upper = join(scratch, `over-${name}/upper`);
      mkdirSync(upper, { recursive: true });
      mkdirSync(join(scratch, `over-${name}/work`));
      const spec = step('echo x > /m/x; ls /m/bin | head -n1', {
        mounts: [
          {
            dest: '/m',
            readonly: false,
            source: {
              kind: 'tree',
              selector: '/',
              mount: {
                kind: 'overlay',
                lowers: [base],
                upper,
                work: join(scratch, `over-${name}/work`),
                userxattr: false,
              },
            },
          },
        ],
      });
      await run(spec);
      assert.deepEqual([filesIn(upper), filesIn(spec.upper)], [['x'], []]);
    });

    test('limits the size of a tmpfs', async () => {
      const spec = step(
        'dd if=/dev/zero of=/t/f bs=1k count=2000 2>/dev/null || echo full; stat -f -c %T /t',
        {
          mounts: [{ dest: '/t', readonly: false, source: { kind: 'tmpfs', sizeBytes: 1_000_000 } }],
        },
      );
      assert.equal(await run(spec), 'full\ntmpfs\n');
    });

    test('gives a tmpfs the mode of the directory that it covers, and shows no mode among its options', async () => {
      const bound = mkdtempSync(join(scratch, 'bound-'));
      mkdirSync(join(bound, 'in'));
      chmodSync(join(bound, 'in'), 0o2710);
      const tmpfs = (dest: string) =>
        ({ dest, readonly: false, source: { kind: 'tmpfs', sizeBytes: 8192 } }) as const;
      const spec = step(
        `stat -c '%a %n' /etc /b/in /new; for d in /etc /b/in /new; do grep " $d tmpfs" /proc/mounts; done`,
        {
          mounts: [
            tmpfs('/etc'),
            tmpfs('/new'),
            {
              dest: '/b',
              readonly: false,
              source: { kind: 'tree', mount: { kind: 'dir', path: bound, readonly: false }, selector: '' },
            },
            tmpfs('/b/in'),
          ],
        },
      );
      const options = 'rw,nosuid,relatime,size=8k';
      assert.deepEqual((await run(spec)).split('\n'), [
        '755 /etc',
        '2710 /b/in',
        '1777 /new',
        `tmpfs /etc tmpfs ${options} 0 0`,
        `tmpfs /b/in tmpfs ${options} 0 0`,
        `tmpfs /new tmpfs ${options} 0 0`,
        '',
      ]);
      assert.deepEqual(filesIn(spec.upper), []);
    });

    test('shows a secret with its owner and mode, on no disk', async () => {
      const spec = step(
        'stat -c "%u %g %a" /run/secrets/s; cat /run/secrets/s; stat -f -c %T /run/secrets/s',
        {
          mounts: [
            {
              dest: '/run/secrets/s',
              readonly: true,
              source: { kind: 'secret', data: Buffer.from('pssst\n'), uid: 3, gid: 4, mode: 0o440 },
            },
          ],
        },
      );
      assert.equal(await run(spec), '3 4 440\npssst\ntmpfs\n');
      assert.deepEqual(filesIn(spec.upper), []);
    });

    test('leads to an agent socket with owner and mode', async () => {
      const socketPath = join(scratch, `agent-${name}`);
      const agent = createServer((socket) => socket.end('agent here')).listen(socketPath);
      const spec = step('stat -c "%u %g %a %F" /run/agent', {
        mounts: [
          {
            dest: '/run/agent',
            readonly: false,
            source: { kind: 'ssh', socketPath, uid: 11, gid: 12, mode: 0o600 },
          },
        ],
      });
      try {
        assert.equal(await run(spec), '11 12 600 socket\n');
      } finally {
        agent.close();
      }
    });

    test('has only a loopback device with network none', async () => {
      const out = await run(step('ip -o link | cut -d: -f2; ip addr show lo', { network: 'none' }));
      assert.match(out, /^ lo\n/);
      assert.match(out, /127\.0\.0\.1/);
      assert.doesNotMatch(out, /eth|ens/);
    });

    test('has the host network otherwise', async () => {
      const out = await run(step('readlink /proc/self/ns/net'));
      assert.equal(out.trim(), readlinkSync('/proc/self/ns/net'));
    });

    test('is the only process it sees', async () => {
      assert.match(await run(step('echo $$; ls -d /proc/[0-9]* | head -n1')), /^1\n\/proc\/1\n/);
    });

    test('has all capabilities and devices when insecure', async () => {
      const out = await run(step('grep CapEff /proc/self/status', { security: 'insecure' }));
      const own = /CapEff:.*\n/.exec(readFileSync('/proc/self/status', 'utf8'))?.[0];
      assert.equal(out, own);
    });

    test('sets ulimits', async () => {
      const out = await run(
        step(
          'ulimit -n; ulimit -Hn; ulimit -t; grep "Max file size" /proc/self/limits; echo \'"soft":"1"\'',
          {
            ulimits: [
              { name: 'nofile', soft: 100n, hard: 200n },
              { name: 'cpu', soft: -1n, hard: -1n },
              { name: 'fsize', soft: (1n << 62n) + 1n, hard: -1n },
            ],
          },
        ),
      );
      assert.deepEqual(out.split('\n'), [
        '100',
        '200',
        'unlimited',
        `Max file size             ${(1n << 62n) + 1n}  unlimited            bytes     `,
        '"soft":"1"',
        '',
      ]);
    });

    test('cannot write to a read-only root', async () => {
      assert.equal(await run(step('touch /x 2>/dev/null || echo ro', { readonlyRootfs: true })), 'ro\n');
    });

    test('kills the whole container and leaves nothing when canceled', async () => {
      const spec = step('echo started; (while true; do sleep 0.1; done) & sleep 1000');
      const controller = new AbortController();
      await assert.rejects(
        executor.run(spec, { output: () => controller.abort(), signal: controller.signal }),
        { code: 'CANCELED' },
      );
      const state = store.path('executor', store.owner, 'state', name);
      assert.deepEqual(existsSync(state) ? readdirSync(state) : [], []);
      assert.deepEqual(readdirSync(store.path('executor', store.owner, 'bundles')), []);
    });

    test('is canceled while the container is being made', async () => {
      // In milliseconds; a container takes 10 to 60 of them to be made.
      for (let after = 0; after < 60; after += 1.5) {
        const controller = new AbortController();
        const run = executor.run(step('sleep 1000'), { output() {}, signal: controller.signal });
        setTimeout(() => controller.abort(), after);
        await assert.rejects(run, { code: 'CANCELED' });
      }
    });

    test('runs many steps at once', async () => {
      const outs = await Promise.all(Array.from({ length: 6 }, (_, i) => run(step(`echo ${i}`))));
      assert.deepEqual(outs, ['0\n', '1\n', '2\n', '3\n', '4\n', '5\n']);
    });
  });
}
