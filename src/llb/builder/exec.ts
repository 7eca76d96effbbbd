/** Exec ops (BuildKit v0.32.2, client/llb, exec.go). */
import { create } from '@bufbuild/protobuf';
import { CairnError } from '../../errors/error.ts';
import { ExecOpSchema, MetaSchema, OpSchema } from '../gen/ops_pb.js';
import type { CDIDevice, ExecOp, Input, ProxyEnv } from '../gen/ops_pb.js';
import { compareUtf8 } from '../marshal.ts';
import { CAP, type Cap } from './caps.ts';
import { metadataOf, type OpOptions } from './constraints.ts';
import {
  encodeMount,
  encodeSecrets,
  encodeSsh,
  hasOutput,
  sshTarget,
  type MountSpec,
  type SecretSpec,
  type SshSpec,
} from './mount.ts';
import type { State } from './state.ts';
import type { BuilderVertex, EncodeContext, EncodedOp, Output } from './vertex.ts';

export interface ExecOptions extends OpOptions {
  args: readonly string[];
  mounts?: readonly MountSpec[];
  secrets?: readonly SecretSpec[];
  ssh?: readonly SshSpec[];
  proxyEnv?: ProxyEnv | undefined;
  devices?: readonly CDIDevice[];
}

/**
 * Runs a process in `root` with its environment, directory and user.
 * @returns `root` with the file system that the process leaves
 */
export function exec(root: State, options: ExecOptions): State {
  const vertex = new ExecVertex(root, options);
  return root.withOutput({ vertex, index: vertex.rootIndex(), platform: options.platform });
}

class ExecVertex implements BuilderVertex {
  readonly #base: State;
  readonly #options: ExecOptions;
  readonly #root: MountSpec;
  readonly #mounts: readonly MountSpec[];

  constructor(base: State, options: ExecOptions) {
    this.#base = base;
    this.#options = options;
    this.#root = { target: '/', source: base };
    this.#mounts = [this.#root, ...(options.mounts ?? [])].toSorted((a, b) =>
      compareUtf8(a.target, b.target),
    );
  }

  rootIndex(): number {
    return this.#mounts.filter(hasOutput).indexOf(this.#root);
  }

  inputs(): Output[] {
    const outputs = this.#mounts.flatMap(({ source }) =>
      source.output === undefined ? [] : [source.output],
    );
    return [...new Set(outputs)];
  }

  encode(context: EncodeContext): EncodedOp {
    const { args, mounts: _, ...options } = this.#options;
    if (args.length === 0) throw new CairnError('arguments are required', { code: 'SOLVE' });
    const caps = this.#caps(context);
    const exec = this.#execOp();
    const inputs: Input[] = [];
    let outputs = 0;
    for (const mount of this.#mounts) {
      const input = this.#addInput(inputs, mount, context);
      exec.mounts.push(encodeMount(mount, input, hasOutput(mount) ? outputs++ : -1));
    }
    const secrets = encodeSecrets(options.secrets ?? []);
    exec.secretenv = secrets.env;
    exec.mounts.push(...secrets.mounts, ...encodeSsh(options.ssh ?? []));
    const op = create(OpSchema, {
      inputs,
      platform: options.platform ?? this.#base.values.platform ?? context.platform,
      constraints: {},
    });
    op.op = { case: 'exec', value: exec };
    return { op, metadata: metadataOf(options, caps), locations: options.locations ?? [] };
  }

  #execOp(): ExecOp {
    const { env, dir, user, hostname, network, security, extraHosts, ulimits, cgroupParent } =
      this.#base.values;
    const { args, ssh = [], proxyEnv, devices = [] } = this.#options;
    const [socket] = ssh;
    const hasSocket = socket === undefined || env.get('SSH_AUTH_SOCK') !== undefined;
    const meta = create(MetaSchema, {
      args: [...args],
      env: (hasSocket ? env : env.set('SSH_AUTH_SOCK', sshTarget(socket, 0))).toArray(),
      cwd: dir,
      user,
      hostname,
      cgroupParent,
      removeMountStubsRecursive: true,
    });
    meta.extraHosts = [...extraHosts];
    meta.ulimit = [...ulimits];
    if (proxyEnv !== undefined) meta.proxyEnv = proxyEnv;
    const exec = create(ExecOpSchema, { network, security });
    exec.meta = meta;
    exec.cdiDevices = [...devices];
    return exec;
  }

  /** Index of the mount's source among the inputs, which are listed once each; -1 for scratch. */
  #addInput(inputs: Input[], { source }: MountSpec, context: EncodeContext): number {
    if (source.output === undefined) return -1;
    const input = context.input(source.output);
    const known = inputs.findIndex(({ digest, index }) => digest === input.digest && index === input.index);
    return known === -1 ? inputs.push(input) - 1 : known;
  }

  #caps(context: EncodeContext): Set<Cap> {
    const { network, security, ulimits } = this.#base.values;
    const { secrets = [], ssh = [], proxyEnv, devices = [], linuxResources } = this.#options;
    const caps = new Set<Cap>([CAP.execMetaBase]);
    const need = (condition: boolean, ...needed: Cap[]): void => {
      if (condition) for (const cap of needed) caps.add(cap);
    };
    need(context.setsDefaultPath, CAP.execMetaSetsDefaultPath);
    need(ulimits.length > 0, CAP.execMetaUlimit);
    need(linuxResources !== undefined, CAP.execMetaLinuxResources);
    need(network !== 0, CAP.execMetaNetwork);
    need(security !== 0, CAP.execMetaSecurity);
    need(proxyEnv !== undefined, CAP.execMetaProxy);
    for (const { selector, cache, tmpfs, source } of this.#mounts) {
      need(selector !== undefined, CAP.execMountSelector);
      if (cache !== undefined) need(true, CAP.execMountCache, CAP.execMountCacheSharing);
      else if (tmpfs !== undefined) {
        need(true, CAP.execMountTmpfs);
        need(tmpfs.size > 0n, CAP.execMountTmpfsSize);
      } else need(source.output !== undefined, CAP.execMountBind);
    }
    need(secrets.length > 0, CAP.execMountSecret);
    need(
      secrets.some((secret) => secret.env !== undefined),
      CAP.execSecretEnv,
    );
    need(ssh.length > 0, CAP.execMountSsh);
    need(devices.length > 0, CAP.execMetaCdi);
    return caps;
  }
}
