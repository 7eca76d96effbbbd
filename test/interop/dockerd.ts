/**
 * Docker's daemon with the containerd store, with a state of its own, and builds on it as buildx starts them. The
 * programs are those that scripts/test_docker.sh provides, else those in PATH.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { stepsOf, type BuildKit, type BuildKitProgram } from './buildkit.ts';
import { run, runs, startDaemon, type Daemon } from './daemon.ts';

const UNPACKED = join(import.meta.dirname, '../servers/docker');
const own = existsSync(UNPACKED);
/** dockerd finds containerd's shim in PATH, too. */
const PATH = [...(own ? [UNPACKED] : []), process.env['PATH'] ?? ''].join(delimiter);
const program = (name: string): string => (own ? join(UNPACKED, name) : name);

export const DOCKERD: BuildKitProgram = {
  name: 'dockerd',
  skip: missing(),
  // It has no bridge here, so that nothing of the machine's network changes.
  network: 'none',
  // Built with a Go whose gzip footer has another length than the library expects: panic in gzipFooterBytes.
  writesEstargz: false,
  start: startDockerd,
};

function missing(): string | false {
  if (process.getuid?.() !== 0) return 'dockerd needs root';
  const there =
    runs(program('dockerd'), '--version') &&
    runs(program('containerd'), '--version') &&
    runs(program('docker-buildx'), 'version');
  return there ? false : 'dockerd, containerd and docker-buildx are not installed';
}

async function startDockerd(registry: string): Promise<BuildKit> {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-dockerd-'));
  const file = (name: string): string => join(directory, name);
  const address = `unix://${file('docker.sock')}`;
  const store = file('containerd.sock');
  writeFileSync(
    file('containerd.toml'),
    `version = 3
root = "${file('containerd')}"
state = "${file('containerd-state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "${store}"
`,
  );
  writeFileSync(
    file('daemon.json'),
    JSON.stringify({
      'data-root': file('data'),
      'exec-root': file('exec'),
      pidfile: file('pid'),
      hosts: [address],
      containerd: store,
      features: { 'containerd-snapshotter': true },
      'registry-mirrors': [`http://${registry}`],
      bridge: 'none',
      iptables: false,
      ip6tables: false,
      'ip-forward': false,
      'ip-masq': false,
      'userland-proxy': false,
    }),
  );
  const env = { PATH, DOCKER_HOST: address, DOCKER_CONFIG: file('config') };
  const daemons: Daemon[] = [];
  const stop = async (): Promise<void> => {
    for (const daemon of daemons.toReversed()) await daemon.stop();
    // A dockerd that crashed leaves its data root mounted on itself.
    spawnSync('umount', ['--lazy', file('data')]);
    rmSync(directory, { recursive: true, force: true });
  };
  const buildx = (args: string[]): Promise<string> => run(program('docker-buildx'), args, env);
  try {
    daemons.push(
      await startDaemon(program('containerd'), ['--config', file('containerd.toml')], {
        env,
        ready: () => existsSync(store),
      }),
      // It listens when it is ready.
      await startDaemon(program('dockerd'), ['--config-file', file('daemon.json')], {
        env,
        ready: () => existsSync(file('docker.sock')) && existsSync(file('pid')),
      }),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    stop,
    async build(project, { from = [], to = [], buildArgs = {}, platforms = [], push } = {}) {
      const log = await buildx([
        'build',
        '--progress=rawjson',
        '--network=none',
        ...from.map((entry) => `--cache-from=${entry}`),
        ...to.map((entry) => `--cache-to=${entry}`),
        ...Object.entries(buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
        ...(platforms.length === 0 ? [] : [`--platform=${platforms.join(',')}`]),
        ...(push === undefined ? ['--output=type=cacheonly'] : ['--push', `--tag=${push}`]),
        project,
      ]);
      return stepsOf(log);
    },
    async prune() {
      await buildx(['prune', '--all', '--force']);
    },
  };
}
