/** From the identifier and attributes of a source op to its source. */
import { randomBytes } from 'node:crypto';
import { CairnError } from '../errors/error.ts';
import { createTransport, type Transport } from '../registry/transport.ts';
import type { ResolvedImage, Source, SourceContext, SourceResolver } from './contract.ts';
import type { GitCommits, GitSource } from './git.ts';
import type { HttpFiles, HttpSource } from './http.ts';
import { createImages, type ResolveImageOptions } from './images.ts';
import { localSource } from './local.ts';
import type { SourceServices } from './services.ts';

/** The sources of one build. Tags and branches mean the same for all of it. */
export interface BuildSources extends SourceResolver {
  /** The config of an image, for the frontend. @throws CairnError, `failed to resolve source metadata for …` */
  resolveImage(ref: string, options: ResolveImageOptions, context: SourceContext): Promise<ResolvedImage>;
  /**
   * Times of a git or http source, in seconds since the epoch; absent where the server says nothing.
   * @throws CairnError
   */
  resolveMetadata(
    source: { identifier: string; attrs: Record<string, string> },
    context: SourceContext,
  ): Promise<{ commitTime?: bigint; lastModified?: bigint }>;
  /** Closes connections of http sources. */
  close(): void;
}

/** Schemes that BuildKit knows and cairn refuses by name. */
const REFUSED = ['docker-image+blob', 'oci-layout+blob'];

/** Makes the sources of one build. */
export function createSourceResolver(services: SourceServices): BuildSources {
  const images = createImages(services);
  /** Goes into the keys of local sources that name no session: equal ones of a build are one. */
  const sessionId = randomBytes(12).toString('hex');
  const commits: GitCommits = new Map();
  const files: HttpFiles = new Map();
  let transport: Transport | undefined;

  const git = async (rest: string, attrs: Record<string, string>): Promise<GitSource> =>
    (await import('./git.ts')).gitSource(rest, attrs, services, commits);
  const http = async (url: string, attrs: Record<string, string>): Promise<HttpSource> =>
    (await import('./http.ts')).httpSource(
      url,
      attrs,
      services,
      () => (transport ??= createTransport()),
      files,
    );

  const resolve: SourceResolver = (identifier, attrs, platform) => {
    const { scheme, rest } = split(identifier);
    switch (scheme) {
      case 'docker-image':
        return images.registrySource(rest, attrs, platform);
      case 'oci-layout':
        return images.layoutSource(rest, attrs, platform);
      case 'local':
        return localSource(rest, attrs, services.client, sessionId);
      case 'git':
        return lazily(() => git(rest, attrs));
      case 'http':
      case 'https':
        return lazily(() => http(identifier, attrs));
      default:
        throw new CairnError(
          REFUSED.includes(scheme)
            ? `source ${scheme}:// is not supported: ${identifier}`
            : `unknown source scheme "${scheme}" in "${identifier}"`,
          { code: 'UNSUPPORTED' },
        );
    }
  };
  return Object.assign(resolve, {
    resolveImage: (ref: string, options: ResolveImageOptions, context: SourceContext) =>
      images.resolveImage(ref, options, context),
    async resolveMetadata(
      { identifier, attrs }: { identifier: string; attrs: Record<string, string> },
      context: SourceContext,
    ) {
      const { scheme, rest } = split(identifier);
      if (scheme === 'git') {
        return { commitTime: BigInt(await (await git(rest, attrs)).committed(context)) };
      }
      if (scheme !== 'http' && scheme !== 'https') return {};
      const modified = await (await http(identifier, attrs)).lastModified(context);
      return modified === undefined ? {} : { lastModified: BigInt(Math.floor(modified.getTime() / 1000)) };
    },
    close() {
      transport?.close();
    },
  });
}

function split(identifier: string): { scheme: string; rest: string } {
  const separator = identifier.indexOf('://');
  return separator === -1
    ? { scheme: '', rest: identifier }
    : { scheme: identifier.slice(0, separator), rest: identifier.slice(separator + 3) };
}

/** A source whose module is loaded when it is first asked something. */
function lazily(load: () => Promise<Source>): Source {
  let source: Promise<Source> | undefined;
  const loaded = (): Promise<Source> => (source ??= load());
  return {
    key: async (index, context) => (await loaded()).key(index, context),
    snapshot: async (context) => (await loaded()).snapshot(context),
  };
}
