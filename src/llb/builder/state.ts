/**
 * A state: the result of some op, and what steps upon it inherit. States are immutable; building on one never
 * changes it. The same shapes of ops as BuildKit v0.32.2's package client/llb.
 */
import type { HostIP, NetMode, Platform, SecurityMode, Ulimit } from '../gen/ops_pb.js';
import { normalizePlatform } from '../platform.ts';
import { EnvList } from './env.ts';
import { cleanPath, joinPath } from './path.ts';
import type { Output } from './vertex.ts';

/** What an exec upon a state gets from it. Numbers are those of the enums in proto/ops.proto. */
export interface StateValues {
  readonly env: EnvList;
  readonly dir: string;
  readonly user: string;
  readonly hostname: string;
  readonly network: NetMode;
  readonly security: SecurityMode;
  readonly platform: Platform | undefined;
  readonly extraHosts: readonly HostIP[];
  readonly ulimits: readonly Ulimit[];
  readonly cgroupParent: string;
}

const DEFAULTS: StateValues = {
  env: EnvList.empty,
  dir: '/',
  user: '',
  hostname: '',
  network: 0,
  security: 0,
  platform: undefined,
  extraHosts: [],
  ulimits: [],
  cgroupParent: '',
};

export class State {
  /** Undefined: scratch. */
  readonly output: Output | undefined;
  readonly values: StateValues;

  private constructor(output: Output | undefined, values: StateValues) {
    this.output = output;
    this.values = values;
  }

  /** An empty file system. */
  static scratch(): State {
    return new State(undefined, DEFAULTS);
  }

  static from(output: Output): State {
    return new State(undefined, DEFAULTS).withOutput(output);
  }

  /** The same inherited values upon another file system. */
  withOutput(output: Output | undefined): State {
    const platform = output?.platform;
    return new State(
      output,
      platform === undefined ? this.values : { ...this.values, platform: normalizePlatform(platform) },
    );
  }

  with(values: Partial<StateValues>): State {
    return new State(this.output, { ...this.values, ...values });
  }

  setEnv(name: string, value: string): State {
    return this.with({ env: this.values.env.set(name, value) });
  }

  /** Working directory; a relative one goes below the present one. */
  setDir(dir: string): State {
    if (dir.startsWith('/')) return this.with({ dir });
    return this.with({ dir: joinPath(this.values.dir === '' ? '/' : this.values.dir, dir) });
  }

  setPlatform(platform: Platform): State {
    return this.with({ platform: normalizePlatform(platform) });
  }

  /** `path` made absolute by the working directory, cleaned; a trailing slash or `/.` is kept where asked for. */
  absolute(path: string, keepSlash = false): string {
    const clean = cleanPath(path);
    const absolute = clean.startsWith('/') ? clean : joinPath('/', this.values.dir, clean);
    if (!keepSlash) return absolute;
    if (path.endsWith('/') && !absolute.endsWith('/')) return `${absolute}/`;
    if (path.endsWith('/.')) return absolute === '/' ? '/.' : `${absolute}/.`;
    return absolute;
  }
}
