/**
 * Where the Dockerfile and the main build context come from: a local directory, git, HTTP, or a definition that
 * was handed over (BuildKit v0.32.2, package frontend/dockerui, context.go and config.go).
 */
import { CairnError, messageOf } from '../../../errors/error.ts';
import { internalName } from '../../../llb/builder/constraints.ts';
import { marshalDefinition } from '../../../llb/builder/definition.ts';
import { file } from '../../../llb/builder/file.ts';
import { stateOf } from '../../../llb/builder/from_definition.ts';
import { cleanPath, joinPath } from '../../../llb/builder/path.ts';
import { httpSource, localSource } from '../../../llb/builder/source.ts';
import type { SourceMap } from '../../../llb/builder/source_map.ts';
import { State } from '../../../llb/builder/state.ts';
import type { Definition } from '../../../llb/gen/ops_pb.js';
import type { Gateway, GatewayRef } from '../contract.ts';
import { parseDockerignore } from '../dockerignore.ts';
import { wrapError } from '../parser/error.ts';
import { parseGoBool } from '../text/numbers.ts';
import { ARCHIVE_HEADER_SIZE, isArchive } from './archive.ts';
import { gitState, parseGitRef } from './git_ref.ts';

const DEFAULT_FILENAME = 'Dockerfile';
const DOCKERIGNORE = '.dockerignore';
const CONTEXT_NAME = 'context';
const DOCKERFILE_NAME = 'dockerfile';
/** Name of the file that an HTTP context is downloaded to. */
const HTTP_FILENAME = 'context';

interface RemoteContext {
  /** Undefined: the client's local directory. */
  context: State | undefined;
  /** What holds the Dockerfile, when it is not local. */
  dockerfile: State | undefined;
  /** Path of the Dockerfile. */
  filename: string;
}

/** Reads Dockerfile and ignore file once, and builds the context's source for each conversion. */
export class BuildContext {
  readonly #gateway: Gateway;
  #remote: Promise<RemoteContext> | undefined;
  /** Of a Dockerfile-named ignore file, once the Dockerfile was read. */
  #ownIgnoreFile: { name: string; data: Uint8Array } | undefined;
  #patterns: Promise<string[]> | undefined;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /**
   * The Dockerfile, with the definition that it was read from.
   * @throws CairnError
   */
  async readDockerfile(): Promise<SourceMap> {
    const { filename, dockerfile } = await this.#source();
    const forced = this.#gateway.opts['dockerfilekey'];
    const source =
      (forced === undefined ? dockerfile : undefined) ??
      this.#localDockerfile(forced ?? DOCKERFILE_NAME, filename);
    const definition = this.#marshal(source);
    const ref = await wrapped('failed to read dockerfile', () => this.#gateway.solve(definition));
    const data = await readEntrypoint(ref, filename);
    const ownName = `${filename}${DOCKERIGNORE}`;
    const own = await readIfThere(ref, ownName);
    if (own !== undefined) this.#ownIgnoreFile = { name: ownName, data: own };
    return { filename, language: 'Dockerfile', data, definition };
  }

  /** The context's files; `followPaths` empty: all of them. */
  async mainContext(followPaths: readonly string[] = []): Promise<State> {
    const { context } = await this.#source();
    if (context !== undefined) return context;
    const excludePatterns = await wrapped('failed to read dockerignore patterns', () =>
      this.#ignorePatterns(),
    );
    return localSource(CONTEXT_NAME, {
      sessionId: this.sessionFor(CONTEXT_NAME),
      excludePatterns,
      sharedKeyHint: CONTEXT_NAME,
      followPaths,
      customName: internalName('load build context'),
    });
  }

  /** Patterns of the ignore file; none for a context that is not local. */
  async ignorePatterns(): Promise<string[]> {
    const { context } = await this.#source();
    return context === undefined ? this.#ignorePatterns() : [];
  }

  /** Session that serves a local source of this name. */
  sessionFor(name: string): string | undefined {
    return this.#gateway.opts[`local-sessionid:${name}`] ?? this.#gateway.sessionId;
  }

  #marshal(state: State): Definition {
    return marshalDefinition(state.output, { localUnique: this.#gateway.localUnique, setsDefaultPath: true });
  }

  #source(): Promise<RemoteContext> {
    this.#remote ??= this.#detect();
    return this.#remote;
  }

  async #detect(): Promise<RemoteContext> {
    const { opts, inputs } = this.#gateway;
    const address = opts[opts['contextkey'] ?? CONTEXT_NAME] ?? '';
    const found: RemoteContext = {
      context: undefined,
      dockerfile: undefined,
      filename: opts['filename'] ?? DEFAULT_FILENAME,
    };
    const git = this.#gitContext(address);
    if (git !== undefined) {
      await wrapped('failed to derive git source op', async () => this.#marshal(git));
      found.context = git;
      found.dockerfile = git;
    } else if (/^https?:\/\//.test(address)) {
      const { context, archive } = await this.#httpContext(address);
      found.context = context;
      found.dockerfile = context;
      if (!archive) found.filename = HTTP_FILENAME;
    } else {
      const dockerfile = opts['dockerfilekey'] === undefined ? inputs?.[DOCKERFILE_NAME] : undefined;
      if (dockerfile !== undefined) found.dockerfile = stateOf(dockerfile);
      const context = inputs?.[CONTEXT_NAME];
      if (context !== undefined) found.context = stateOf(context);
    }
    const subdir = opts['contextsubdir'];
    if (found.context !== undefined && subdir !== undefined) {
      found.context = file(State.scratch(), [
        {
          kind: 'copy',
          source: found.context,
          src: subdir,
          dest: '/',
          mode: undefined,
          dirCopyContents: true,
        },
      ]);
    }
    return found;
  }

  #gitContext(address: string): State | undefined {
    const git = parseGitRef(address);
    if (git === undefined) return undefined;
    const { opts } = this.#gateway;
    return gitState(git, {
      customName: internalName(`load git source ${address}`),
      keepGitDir: parseGoBool(opts['build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR'] ?? '') === true,
      mtime: (opts['build-arg:SOURCE_DATE_EPOCH'] ?? '') === '' ? '' : 'commit',
    });
  }

  async #httpContext(url: string): Promise<{ context: State; archive: boolean }> {
    const download = httpSource(url, {
      filename: HTTP_FILENAME,
      customName: internalName('load remote build context'),
    });
    const definition = await wrapped('failed to derive http source op', async () => this.#marshal(download));
    const ref = await wrapped('failed to read downloaded context', () => this.#gateway.solve(definition));
    const header = await wrapped('failed to read downloaded context', () =>
      ref.readFile(HTTP_FILENAME, { offset: 0, length: ARCHIVE_HEADER_SIZE }),
    );
    if (!isArchive(header)) return { context: download, archive: false };
    const src = joinPath('/', HTTP_FILENAME);
    const unpacked = file(State.scratch(), [
      { kind: 'copy', source: download, src, dest: '/', attemptUnpack: true },
    ]);
    return { context: unpacked, archive: true };
  }

  #localDockerfile(name: string, filename: string): State {
    const followPaths = [filename, `${filename}${DOCKERIGNORE}`];
    const lower = lowerCaseName(filename);
    if (lower !== undefined) followPaths.push(lower);
    return localSource(name, {
      followPaths,
      sessionId: this.sessionFor(name),
      sharedKeyHint: name,
      customName: internalName(`load build definition from ${filename}`),
      differ: 'none',
    });
  }

  #ignorePatterns(): Promise<string[]> {
    this.#patterns ??= this.#readIgnoreFile();
    return this.#patterns;
  }

  async #readIgnoreFile(): Promise<string[]> {
    const { name, data } = this.#ownIgnoreFile ?? {
      name: DOCKERIGNORE,
      data: await this.#solveIgnoreFile(),
    };
    return wrapped(`failed parsing ${name}`, () => parseDockerignore(data));
  }

  async #solveIgnoreFile(): Promise<Uint8Array> {
    const source = localSource(CONTEXT_NAME, {
      sessionId: this.sessionFor(CONTEXT_NAME),
      followPaths: [DOCKERIGNORE],
      sharedKeyHint: `${CONTEXT_NAME}-${DOCKERIGNORE}`,
      customName: internalName(`load ${DOCKERIGNORE}`),
      differ: 'none',
    });
    const ref = await this.#gateway.solve(this.#marshal(source));
    return (await readIfThere(ref, DOCKERIGNORE)) ?? new Uint8Array();
  }
}

/** `dockerfile` beside a path that ends in `Dockerfile`: it is accepted too. */
function lowerCaseName(filename: string): string | undefined {
  const cut = filename.lastIndexOf('/') + 1;
  if (filename.slice(cut) !== DEFAULT_FILENAME) return undefined;
  return joinPath(cut === 0 ? '.' : cleanPath(filename.slice(0, cut)), DEFAULT_FILENAME.toLowerCase());
}

async function readEntrypoint(ref: GatewayRef, filename: string): Promise<Uint8Array> {
  const data = await readIfThere(ref, filename);
  if (data !== undefined) return data;
  const lower = lowerCaseName(filename);
  const other = lower === undefined ? undefined : await readIfThere(ref, lower);
  if (other !== undefined) return other;
  throw new CairnError(`failed to read dockerfile: open ${filename}: no such file or directory`, {
    code: 'NOT_FOUND',
  });
}

/** Undefined: no such file. */
export async function readIfThere(ref: GatewayRef, path: string): Promise<Uint8Array | undefined> {
  try {
    return await ref.readFile(path);
  } catch (error) {
    if (error instanceof CairnError && error.code === 'NOT_FOUND') return undefined;
    const prefix = `failed to read ${path}`;
    throw messageOf(error).startsWith(prefix) ? error : wrapError(error, prefix);
  }
}

/** The work's result, or its error with `prefix` before the message. */
export async function wrapped<T>(prefix: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw wrapError(error, prefix);
  }
}
