/** A buildkitd that is in PATH, with a state of its own, and builds on it as buildctl starts them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stepsOf, type BuildKit, type BuildKitProgram } from './buildkit.ts';
import { run, runs, startDaemon } from './daemon.ts';

export const BUILDKITD: BuildKitProgram = {
  name: 'buildkitd',
  skip: ['buildkitd', 'buildctl'].every((program) => runs(program, '--version'))
    ? false
    : 'buildkitd and buildctl are not in PATH',
  network: 'default',
  writesEstargz: true,
  start: startBuildkitd,
};

async function startBuildkitd(registry: string): Promise<BuildKit> {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-buildkitd-'));
  const address = `unix://${join(directory, 'sock')}`;
  const config = join(directory, 'buildkitd.toml');
  writeFileSync(
    config,
    `[registry."docker.io"]\nmirrors = ["${registry}"]\n[registry."${registry}"]\nhttp = true\n`,
  );
  const flags = ['--config', config, '--root', join(directory, 'root'), '--addr', address];
  const worker = ['--containerd-worker=false', '--oci-worker-binary=runc', '--oci-worker-net=host'];
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const daemon = await startDaemon('buildkitd', [...flags, ...worker], {
    ready: () => runs('buildctl', '--addr', address, 'debug', 'workers'),
  }).catch((error: unknown) => {
    remove();
    throw error;
  });
  const buildctl = (args: string[]): Promise<string> => run('buildctl', ['--addr', address, ...args]);
  return {
    async build(project, { from = [], to = [], buildArgs = {}, platforms = [], push } = {}) {
      const where = ['--local', `context=${project}`, '--local', `dockerfile=${project}`];
      const how = ['--frontend', 'dockerfile.v0', '--progress', 'rawjson'];
      const log = await buildctl([
        'build',
        ...how,
        ...where,
        ...from.map((entry) => `--import-cache=${entry}`),
        ...to.map((entry) => `--export-cache=${entry}`),
        ...Object.entries(buildArgs).map(([name, value]) => `--opt=build-arg:${name}=${value}`),
        ...(platforms.length === 0 ? [] : [`--opt=platform=${platforms.join(',')}`]),
        ...(push === undefined ? [] : [`--output=type=image,name=${push},push=true`]),
      ]);
      return stepsOf(log);
    },
    async prune() {
      await buildctl(['prune', '--all']);
    },
    async stop() {
      await daemon.stop();
      remove();
    },
  };
}
