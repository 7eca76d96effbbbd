/** Secrets and agents of a step, from the client. Texts of BuildKit v0.32.2 (session/secrets, llbsolver/mounts). */
import { CairnError, registerSecret } from '../../errors/error.ts';
import type { SecretEnv, SecretOpt, SSHOpt } from '../../llb/gen/ops_pb.js';
import type { SecretSource } from '../contract.ts';

/** Values as they are read, so that the step's output can be searched for them. */
export type SecretValues = Uint8Array[];

/**
 * The value of a mounted secret; undefined: not there, and optional.
 * @throws CairnError NOT_FOUND
 */
export async function mountedSecret(
  source: SecretSource,
  options: SecretOpt | undefined,
  values: SecretValues,
): Promise<Uint8Array | undefined> {
  if (options === undefined) throw new CairnError('invalid secret mount options', { code: 'SOLVE' });
  if (options.ID === '') throw new CairnError('secret ID missing from mount options', { code: 'SOLVE' });
  return secret(source, options.ID, options.optional, values);
}

/** `NAME=value` of each secret that the step wants in its environment; an optional one that is missing is empty. */
export async function secretEnv(
  source: SecretSource,
  wanted: readonly SecretEnv[],
  values: SecretValues,
): Promise<string[]> {
  const env: string[] = [];
  for (const { ID, name, optional } of wanted) {
    if (ID === '') {
      throw new CairnError(`secret ID missing for "${name}" environment variable`, { code: 'SOLVE' });
    }
    const value = await secret(source, ID, optional, values);
    env.push(`${name}=${value === undefined ? '' : Buffer.from(value).toString()}`);
  }
  return env;
}

async function secret(
  source: SecretSource,
  id: string,
  optional: boolean,
  values: SecretValues,
): Promise<Uint8Array | undefined> {
  const value = await source.secret(id);
  if (value === undefined) {
    if (optional) return undefined;
    throw new CairnError(`secret ${id}: not found`, {
      code: 'NOT_FOUND',
      hint: `Give it with --secret id=${id},src=FILE or --secret id=${id},env=VARIABLE.`,
    });
  }
  registerSecret(Buffer.from(value).toString());
  values.push(value);
  return value;
}

/**
 * The agent's socket; undefined: none is offered, and the mount is optional.
 * @throws CairnError NOT_FOUND
 */
export async function agentSocket(
  source: SecretSource,
  options: SSHOpt | undefined,
): Promise<string | undefined> {
  const id = options?.ID ?? '';
  try {
    const socket = await source.sshSocket(id === '' ? 'default' : id);
    if (socket !== undefined) return socket;
  } catch (error) {
    if (options?.optional === true && error instanceof CairnError && error.code === 'NOT_FOUND')
      return undefined;
    throw error;
  }
  if (options?.optional === true) return undefined;
  throw new CairnError(`no SSH key "${id}" forwarded from the client`, { code: 'NOT_FOUND' });
}
