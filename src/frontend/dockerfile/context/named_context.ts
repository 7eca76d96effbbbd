/** Named contexts: what `--build-context NAME=…` puts in the place of an image or a stage. */
import { internalName } from '../../../llb/builder/constraints.ts';
import { CairnError } from '../../../errors/error.ts';
import { marshalDefinition } from '../../../llb/builder/definition.ts';
import { stateOf } from '../../../llb/builder/from_definition.ts';
import { httpSource, imageSource, localSource, ociLayoutSource } from '../../../llb/builder/source.ts';
import { State } from '../../../llb/builder/state.ts';
import { LazyOutput } from '../../../llb/builder/vertex.ts';
import type { Output } from '../../../llb/builder/vertex.ts';
import type { Platform } from '../../../llb/gen/ops_pb.js';
import { formatPlatformFull, hostPlatform, normalizePlatform } from '../../../llb/platform.ts';
import {
  familiarReference,
  formatReference,
  parseNormalizedReference,
  parseReference,
  referenceName,
  withDefaultTag,
} from '../../../llb/reference.ts';
import { parseImageConfig } from '../convert/image_config.ts';
import type { ImageConfig } from '../convert/image_config.ts';
import type { Gateway } from '../contract.ts';
import { parseDockerignore } from '../dockerignore.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { readIfThere, wrapped } from './build_context.ts';
import type { BuildContext } from './build_context.ts';
import { gitState, parseGitRef } from './git_ref.ts';
import type { ImageResolver } from './image_resolver.ts';

const DOCKERIGNORE = '.dockerignore';

export interface NamedContextOptions {
  platform?: Platform | undefined;
  resolveMode: string;
  /** Paths of a local context that the build turns out to use; asked when everything is converted. */
  followPaths?: () => readonly string[];
}

export interface LoadedContext {
  state: State;
  /** Undefined: it has none. */
  image: ImageConfig | undefined;
}

/** A context that an option names; nothing is resolved until {@link NamedContext.load}. */
export interface NamedContext {
  /** @throws CairnError */
  load(): Promise<LoadedContext>;
}

/** Finds named contexts in the options (BuildKit v0.32.2, package frontend/dockerui, namedcontext.go). */
export class NamedContexts {
  readonly #gateway: Gateway;
  readonly #images: ImageResolver;
  readonly #build: BuildContext;

  constructor(gateway: Gateway, images: ImageResolver, build: BuildContext) {
    this.#gateway = gateway;
    this.#images = images;
    this.#build = build;
  }

  /**
   * The context for a stage or image name: `NAME::platform` before `NAME`. Undefined: there is none.
   * @throws CairnError when `name` is no image reference
   */
  find(name: string, options: NamedContextOptions): NamedContext | undefined {
    const reference = parseName(name);
    const short = familiarReference(reference).replace(/:latest$/, '');
    const platform = formatPlatformFull(normalizePlatform(options.platform ?? hostPlatform()));
    for (const key of [`${short}::${platform}`, short]) {
      const input = this.#gateway.opts[`context:${key}`];
      if (input !== undefined) return { load: () => this.#load(input, short, key, options) };
    }
    return undefined;
  }

  async #load(
    input: string,
    name: string,
    key: string,
    options: NamedContextOptions,
  ): Promise<LoadedContext> {
    const colon = input.indexOf(':');
    if (colon === -1) throw usage(`invalid context specifier ${input} for ${key}`);
    const kind = input.slice(0, colon);
    const rest = input.slice(colon + 1);
    // scp-style addresses need no protocol.
    switch (kind.startsWith('git@') ? 'git' : kind) {
      case 'docker-image':
        return this.#image(rest.replace(/^\/\//, ''), key, options);
      case 'git': {
        const state = gitContext(input);
        if (state === undefined) throw usage(`invalid git context ${input}`);
        return { state, image: undefined };
      }
      case 'http':
      case 'https': {
        const customName = `[context ${key}] ${input}`;
        return {
          state: gitContext(input) ?? httpSource(input, { filename: 'context', customName }),
          image: undefined,
        };
      }
      case 'oci-layout':
        return this.#ociLayout(rest.replace(/^\/\//, ''), name, key, options);
      case 'local':
        return { state: await this.#local(rest, key, options), image: undefined };
      case 'input':
        return this.#input(rest, key);
      default:
        throw usage(`unsupported context source ${kind} for ${key}`);
    }
  }

  async #image(ref: string, key: string, options: NamedContextOptions): Promise<LoadedContext> {
    if (ref === 'scratch') return { state: State.scratch(), image: undefined };
    const { platform, resolveMode } = options;
    const resolved = await this.#images.resolve(
      formatReference(withDefaultTag(parseNormalizedReference(ref))),
      {
        ...(platform === undefined ? {} : { platform }),
        resolveMode,
        logName: `[context ${key}] load metadata for ${ref}`,
      },
    );
    const image = parseImageConfig(resolved.config);
    const source = imageSource(resolved.ref, { platform, customName: `[context ${key}] ${ref}` });
    return { state: withImageConfig(source, image), image: { ...image, created: undefined } };
  }

  async #ociLayout(
    ref: string,
    name: string,
    key: string,
    options: NamedContextOptions,
  ): Promise<LoadedContext> {
    const parsed = await wrapped(`could not parse oci-layout reference ${goQuote(ref)}`, () =>
      parseReference(ref),
    );
    const { digest } = parsed;
    if (digest === undefined)
      throw usage(`oci-layout reference ${goQuote(formatReference(parsed))} has no digest`);
    // The store has no names; the context's own serves for display.
    const shown = formatReference({ ...parseNormalizedReference(name), digest });
    const storeId = referenceName(parsed);
    const { platform } = options;
    const resolved = await this.#images.resolve(shown, {
      ...(platform === undefined ? {} : { platform }),
      resolveMode: '',
      logName: `[context ${key}] load metadata for ${shown}`,
      ociLayout: { sessionId: this.#gateway.sessionId ?? '', storeId },
    });
    const image = await wrapped('could not parse oci-layout image config', () =>
      parseImageConfig(resolved.config),
    );
    const source = ociLayoutSource(shown, {
      platform,
      customName: `[context ${key}] OCI load from client`,
      sessionId: this.#gateway.sessionId,
      storeId,
    });
    return { state: withImageConfig(source, image), image };
  }

  async #local(name: string, key: string, options: NamedContextOptions): Promise<State> {
    const sessionId = this.#build.sessionFor(name);
    const ignoreFile = localSource(name, {
      sessionId,
      followPaths: [DOCKERIGNORE],
      sharedKeyHint: `context:${key}-${DOCKERIGNORE}`,
      customName: `[context ${key}] load ${DOCKERIGNORE}`,
      differ: 'none',
    });
    const ref = await this.#gateway.solve(
      marshalDefinition(ignoreFile.output, { localUnique: this.#gateway.localUnique }),
    );
    const data = (await readIfThere(ref, DOCKERIGNORE)) ?? new Uint8Array();
    const excludePatterns = await wrapped(`failed parsing ${DOCKERIGNORE}`, () => parseDockerignore(data));
    const sharedKey = this.#gateway.opts[`sharedkey:localdir:${key}`] ?? '';
    const make = (): Output => {
      const state = localSource(name, {
        customName: `[context ${key}] load from client`,
        sessionId,
        sharedKeyHint: `context:${key}-${sharedKey}`,
        excludePatterns,
        followPaths: options.followPaths?.() ?? [],
      });
      if (state.output === undefined) throw new Error('a local source always has an output');
      return state.output;
    };
    return State.from(new LazyOutput(make));
  }

  #input(name: string, key: string): LoadedContext {
    const definition = this.#gateway.inputs?.[name];
    if (definition === undefined) throw usage(`invalid input ${name} for ${key}`);
    const state = stateOf(definition);
    const metadata = this.#gateway.opts[`input-metadata:${name}`];
    const config = metadata === undefined ? undefined : imageConfigOf(metadata);
    if (config === undefined) return { state, image: undefined };
    const image = parseImageConfig(config);
    return { state: withImageConfig(state, image), image };
  }
}

/** The config in a result's metadata, whose values are base64. */
function imageConfigOf(metadata: string): Uint8Array | undefined {
  let values: unknown;
  try {
    values = JSON.parse(metadata);
  } catch (error) {
    throw new CairnError(`failed to parse input metadata ${metadata}`, { code: 'USAGE', cause: error });
  }
  const fields: Record<string, unknown> = typeof values === 'object' && values !== null ? { ...values } : {};
  const text = fields['containerimage.config'];
  return typeof text === 'string' ? Buffer.from(text, 'base64') : undefined;
}

function gitContext(input: string): State | undefined {
  const git = parseGitRef(input);
  return git === undefined
    ? undefined
    : gitState(git, { customName: internalName(`load git source ${input}`) });
}

function withImageConfig(state: State, { config, platform }: ImageConfig): State {
  let out = state;
  for (const entry of config.env) {
    const equals = entry.indexOf('=');
    const key = equals === -1 ? entry : entry.slice(0, equals);
    if (key !== '') out = out.setEnv(key, equals === -1 ? '' : entry.slice(equals + 1));
  }
  out = out.setDir(config.workingDir);
  return platform.Architecture !== '' && platform.OS !== '' ? out.setPlatform(platform) : out;
}

function parseName(name: string): ReturnType<typeof parseNormalizedReference> {
  try {
    return parseNormalizedReference(name);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CairnError(`invalid context name ${name}: ${why}`, { code: 'USAGE', cause: error });
  }
}

function usage(message: string): CairnError {
  return new CairnError(message, { code: 'USAGE' });
}
