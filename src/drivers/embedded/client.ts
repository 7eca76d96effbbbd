/** The BuildClient of the embedded driver: context directories, credentials, secrets and outputs straight from this machine. */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Writable } from 'node:stream';
import { CairnError, messageOf, registerSecret } from '../../errors/error.ts';
import type { BuildClient } from '../../engine/contract.ts';
import { makeDirectories } from '../../platform/make_directories.ts';
import type { ProgressSink } from '../../progress/events.ts';
import type { CredentialSource } from '../../registry/contract.ts';
import { openFileOutput, type OpenOutput } from './file_output.ts';
import type { ClientInputs, OutputPlace, SecretSpec } from '../contract.ts';

/** A secret larger than this is refused, as by BuildKit's client (session/secrets, 500 KiB). */
const MAX_SECRET_BYTES = 500 * 1024;

export interface EmbeddedClient extends BuildClient {
  /** Moves finished output files into place, or removes what a failed build wrote. */
  finish(success: boolean): Promise<void>;
}

/** @throws CairnError USAGE when a secret's file is not there or too large, or what `--ssh` names is no agent and no key */
export async function checkInputs(inputs: ClientInputs, env: NodeJS.ProcessEnv): Promise<void> {
  for (const secret of inputs.secrets) checkSecret(secret, env);
  if (inputs.ssh.length === 0) return;
  const { checkAgent } = await import('../../executor/ssh/agent.ts');
  for (const { id, paths } of inputs.ssh) {
    try {
      checkAgent(paths, env);
    } catch (cause) {
      throw new CairnError(
        `failed to convert agent config for ID: ${JSON.stringify(id)}: ${messageOf(cause)}`,
        { code: 'USAGE', hint: cause instanceof CairnError ? cause.hint : undefined, cause },
      );
    }
  }
}

export function createEmbeddedClient(
  inputs: ClientInputs,
  env: NodeJS.ProcessEnv,
  progress: ProgressSink,
): EmbeddedClient {
  const pending: { close(success: boolean): Promise<void> }[] = [];
  let credentialSource: Promise<CredentialSource> | undefined;
  const agents = new Map<string, Promise<{ socketPath: string; close(): Promise<void> } | undefined>>();

  return {
    localDirectory: (name) => {
      const path = inputs.localDirectories[name];
      return path === undefined ? undefined : resolve(path);
    },
    ociLayout: (id) => {
      const path = inputs.ociLayouts[id];
      return path === undefined ? undefined : resolve(path);
    },
    cacheDirectory: (path) => resolve(path),
    onFailure: (steps) => inputs.onFailure?.(steps),
    upload: (id) => {
      const path = inputs.uploads[id];
      return path === undefined ? undefined : createReadStream(path);
    },
    async credentials(host) {
      credentialSource ??= import('../../registry/docker_config.ts').then((module) =>
        module.createDockerCredentialSource(env),
      );
      return (await credentialSource).credentials(host);
    },
    async secret(id) {
      const spec = inputs.secrets.find((secret) => secret.id === id);
      const value = spec === undefined ? undefined : readSecret(spec, env);
      if (value !== undefined) registerSecret(Buffer.from(value).toString('utf8'));
      return value;
    },
    async sshSocket(id) {
      const spec = inputs.ssh.find((ssh) => ssh.id === id);
      if (spec === undefined) {
        // In buildx's words: its client always forwards agents, also when there is none to forward.
        throw new CairnError(`unset ssh forward key ${id}`, {
          code: 'NOT_FOUND',
          hint: `Give one with --ssh ${id}, or --ssh ${id}=PATH for a key file or an agent's socket.`,
        });
      }
      let agent = agents.get(id);
      if (agent === undefined) {
        agent = import('../../executor/ssh/agent.ts').then((module) => module.openAgent(spec.paths, env));
        agents.set(id, agent);
      }
      return (await agent)?.socketPath;
    },
    async file(index) {
      const output = await openOutput(inputs.outputs[index] ?? { kind: 'none' }, env, progress);
      pending.push(output);
      return output.stream;
    },
    async directory(index) {
      const place = inputs.outputs[index];
      if (place?.kind !== 'directory') throw new Error(`exporter ${index} was given no directory`);
      makeDirectories(resolve(place.path));
      return resolve(place.path);
    },
    async finish(success) {
      const failures: unknown[] = [];
      for (const output of pending.splice(0)) {
        await output.close(success).catch((error: unknown) => failures.push(error));
      }
      for (const agent of agents.values()) await (await agent.catch(() => undefined))?.close();
      if (success && failures.length > 0) throw failures[0];
    },
  };
}

function checkSecret(spec: SecretSpec, env: NodeJS.ProcessEnv): void {
  if (spec.env !== undefined) return;
  const path = spec.src ?? (env[spec.id] === undefined ? spec.id : undefined);
  if (path === undefined) return;
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new CairnError(`failed to stat ${path} of secret ${JSON.stringify(spec.id)}: no such file`, {
      code: 'USAGE',
    });
  }
  if (found.size > MAX_SECRET_BYTES) {
    throw new CairnError(
      `secret ${JSON.stringify(spec.id)} is too big: ${found.size} bytes, at most ${MAX_SECRET_BYTES}`,
      {
        code: 'USAGE',
      },
    );
  }
}

function readSecret(spec: SecretSpec, env: NodeJS.ProcessEnv): Uint8Array | undefined {
  if (spec.env !== undefined) {
    const value = env[spec.env];
    return value === undefined ? undefined : Buffer.from(value);
  }
  if (spec.src === undefined && env[spec.id] !== undefined) return Buffer.from(env[spec.id] ?? '');
  try {
    return readFileSync(spec.src ?? spec.id);
  } catch (cause) {
    throw new CairnError(`failed to read secret ${JSON.stringify(spec.id)}: ${messageOf(cause)}`, {
      code: 'NOT_FOUND',
      cause,
    });
  }
}

async function openOutput(
  place: OutputPlace,
  env: NodeJS.ProcessEnv,
  progress: ProgressSink,
): Promise<OpenOutput> {
  switch (place.kind) {
    case 'stdout':
      // Ending the exporter's stream must not close the process's stdout, but wait for what is on its way there.
      return { stream: new Writable({ write: writeStdout }), close: async () => {} };
    case 'file':
      return openFileOutput(place.path);
    case 'load': {
      const { openLoadOutput } = await import('./load_output.ts');
      return openLoadOutput(place.command, env, progress);
    }
    case 'none':
    case 'directory':
      throw new Error(`an output of kind ${place.kind} has no stream`);
  }
}

function writeStdout(chunk: Uint8Array, _: string, done: (error?: Error | null) => void): void {
  process.stdout.write(chunk, done);
}
