/** Runs an exec op: mounts from its inputs, the process, outputs as snapshots (BuildKit v0.32.2, solver/llbsolver/ops/exec.go). */
import { fullDiskHint } from '../../store/failure.ts';
import { randomBytes } from 'node:crypto';
import { CairnError, messageOf } from '../../errors/error.ts';
import { goQuote } from '../../errors/go_quote.ts';
import { ExitError } from '../../executor/exit_error.ts';
import type { ExecSpec } from '../../executor/contract.ts';
import type { Vertex } from '../../llb/graph.ts';
import {
  NetMode,
  SecurityMode,
  type ExecOp,
  type LinuxResources,
  type ProxyEnv,
} from '../../llb/gen/ops_pb.js';
import type { Tree } from '../../snapshots/contract.ts';
import type { OpContext } from '../contract.ts';
import type { OpServices } from '../services.ts';
import { foreignPlatformHint } from './foreign_platform.ts';
import { createMask } from './masked_output.ts';
import { prepareExecMounts, type Outputs } from './mounts.ts';
import { secretEnv, type SecretValues } from './secrets.ts';

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * @param inputs in the order of the vertex's inputs; undefined: scratch
 * @returns one tree per output, in the order of the outputs' numbers
 * @throws ExitError, and what secrets, mounts and the executor throw; nothing of the step is kept then
 */
export async function runExec(
  vertex: Vertex,
  op: ExecOp,
  inputs: readonly (Tree | undefined)[],
  services: OpServices,
  context: OpContext,
): Promise<(Tree | undefined)[]> {
  const { meta } = op;
  if (meta === undefined || meta.args.length === 0) {
    throw new CairnError(`${vertex.name}: nothing to run`, { code: 'SOLVE' });
  }
  if (op.cdiDevices.some((device) => !device.optional)) {
    throw new CairnError(`${vertex.name}: devices are not supported`, {
      code: 'UNSUPPORTED',
      hint: 'Take --device out of the RUN instruction.',
    });
  }
  const releases: (() => void | Promise<void>)[] = [];
  const secretValues: SecretValues = [];
  const outputs: Outputs = new Map();
  try {
    const prepared = await prepareExecMounts(
      {
        mounts: op.mounts,
        inputs,
        command: meta.args.join(' '),
        cwd: meta.cwd,
        services,
        context,
        release: (fn) => releases.push(fn),
        secretValues,
      },
      outputs,
    );
    const env = [...meta.env, ...proxyEnv(meta.proxyEnv)];
    if (!env.some((entry) => entry.startsWith('PATH='))) env.push(DEFAULT_PATH);
    env.push(...(await secretEnv(services.secrets, op.secretenv, secretValues)));
    const spec: ExecSpec = {
      id: `cairn-${randomBytes(10).toString('hex')}`,
      rootfs: prepared.root,
      readonlyRootfs: prepared.readonlyRoot,
      mounts: prepared.mounts,
      args: meta.args,
      env,
      cwd: meta.cwd,
      user: meta.user,
      hostname: meta.hostname,
      extraHosts: meta.extraHosts.map(({ Host, IP }) => ({ host: Host, ip: IP })),
      ulimits: meta.ulimit.map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard })),
      cgroupParent: meta.cgroupParent,
      network: op.network === NetMode.HOST ? 'host' : op.network === NetMode.NONE ? 'none' : 'sandbox',
      security: op.security === SecurityMode.INSECURE ? 'insecure' : 'sandbox',
      removeMountStubsRecursive: meta.removeMountStubsRecursive,
      validExitCodes: meta.validExitCodes,
      ...resourcesOf(vertex.metadata.linuxResources),
    };
    await execute(spec, secretValues, services, context);
    return await commit(outputs);
  } catch (error) {
    // Before what the step wrote is gone.
    const explained = withHint(error, vertex, services.store.root);
    await discard(outputs);
    throw explained;
  } finally {
    for (const release of releases.toReversed()) await release();
  }
}

async function execute(
  spec: ExecSpec,
  secretValues: SecretValues,
  services: OpServices,
  { progress, signal }: OpContext,
): Promise<void> {
  const masks = {
    1: createMask(secretValues, (data) => progress.log(1, data)),
    2: createMask(secretValues, (data) => progress.log(2, data)),
  };
  const executor = await services.executor();
  try {
    await executor.run(spec, { output: (stream, data) => masks[stream].write(data), signal });
  } catch (error) {
    throw ofProcess(spec.args, error);
  } finally {
    masks[1].end();
    masks[2].end();
  }
}

/** BuildKit names the process in whatever kept it from running, such as a user that is not there. */
function ofProcess(args: readonly string[], error: unknown): unknown {
  if (error instanceof ExitError || !(error instanceof CairnError) || error.code === 'CANCELED') return error;
  const message = `process ${goQuote(args.join(' '))} did not complete successfully: ${error.message}`;
  return new CairnError(message, { code: error.code, hint: error.hint, cause: error });
}

async function commit(outputs: Outputs): Promise<(Tree | undefined)[]> {
  const trees: (Tree | undefined)[] = [];
  for (const [number, output] of [...outputs].toSorted(([a], [b]) => a - b)) {
    trees[number] = 'commit' in output ? await output.commit() : output;
    // What is committed is not discarded any more, should a later output fail.
    outputs.delete(number);
  }
  return trees;
}

async function discard(outputs: Outputs): Promise<void> {
  for (const output of outputs.values()) {
    // The step's own error is the one to be told.
    if ('discard' in output) await output.discard().catch(() => {});
  }
}

function proxyEnv(proxy: ProxyEnv | undefined): string[] {
  if (proxy === undefined) return [];
  const settings: [name: string, value: string][] = [
    ['http_proxy', proxy.httpProxy],
    ['https_proxy', proxy.httpsProxy],
    ['ftp_proxy', proxy.ftpProxy],
    ['no_proxy', proxy.noProxy],
    ['all_proxy', proxy.allProxy],
  ];
  return settings
    .filter(([, value]) => value !== '')
    .flatMap(([name, value]) => [`${name.toUpperCase()}=${value}`, `${name}=${value}`]);
}

function resourcesOf(resources: LinuxResources | undefined): Pick<ExecSpec, 'resources'> {
  if (resources === undefined) return {};
  const { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems } = resources;
  return {
    resources: {
      ...(memory === 0n ? {} : { memoryBytes: Number(memory) }),
      ...(memorySwap === 0n ? {} : { memorySwapBytes: Number(memorySwap) }),
      ...(cpuShares === 0n ? {} : { cpuShares: Number(cpuShares) }),
      ...(cpuPeriod === 0n ? {} : { cpuPeriodUs: Number(cpuPeriod) }),
      ...(cpuQuota === 0n ? {} : { cpuQuotaUs: Number(cpuQuota) }),
      ...(cpusetCpus === '' ? {} : { cpusetCpus }),
      ...(cpusetMems === '' ? {} : { cpusetMems }),
    },
  };
}

/** Programs of another architecture, and those that find the disk full, fail with words that say little. */
function withHint(error: unknown, vertex: Vertex, storeRoot: string): unknown {
  if (!(error instanceof ExitError)) return error;
  const hint = error.hint ?? foreignPlatformHint(vertex.op.platform) ?? fullDiskHint(storeRoot);
  if (hint === undefined) return error;
  return Object.assign(new CairnError(messageOf(error), { code: error.code, hint, cause: error }), {
    name: error.name,
    exitCode: error.exitCode,
  });
}
