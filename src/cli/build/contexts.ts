/** The build context, the Dockerfile and `--build-context`: what the client offers and what the frontend is told. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { CairnError, messageOf } from '../../errors/error.ts';
import { ARCHIVE_HEADER_SIZE, isArchive } from '../../frontend/dockerfile/context/archive.ts';
import { familiarReference, parseNamed } from '../../registry/reference.ts';
import { downloadDockerfile, isHttp } from './dockerfile_url.ts';
import { peek, readDockerfile } from './stdin.ts';

export interface Contexts {
  frontendAttrs: Record<string, string>;
  localDirectories: Record<string, string>;
  ociLayouts: Record<string, string>;
  /** Id in `http://buildkit-session/ID` → file. */
  uploads: Record<string, string>;
  /** How a check names the Dockerfile: the path as the user would write it. */
  dockerfileName: string;
  /** Removes temporary directories. */
  release(): void;
}

export interface ContextFlags {
  /** PATH, URL or `-`. */
  context: string;
  /** `-f`; empty: `PATH/Dockerfile`. */
  file: string;
  /** `--build-context`: name → PATH or URL. */
  buildContexts: ReadonlyMap<string, string>;
  /** A policy beside the Dockerfile is passed over. */
  policyDisabled: boolean;
  stdin: AsyncIterable<Uint8Array>;
}

const usage = (message: string, hint?: string) => new CairnError(message, { code: 'USAGE', hint });

/** @throws CairnError USAGE, UNSUPPORTED */
export async function prepareContexts(flags: ContextFlags): Promise<Contexts> {
  const temporary: string[] = [];
  const contexts: Contexts = {
    frontendAttrs: {},
    localDirectories: {},
    ociLayouts: {},
    uploads: {},
    dockerfileName: flags.file,
    release: () => temporary.forEach((path) => rmSync(path, { recursive: true, force: true })),
  };
  try {
    await mainContext(flags, contexts, temporary);
    namedContexts(flags.buildContexts, contexts);
  } catch (error) {
    contexts.release();
    throw error;
  }
  return contexts;
}

async function mainContext(
  { context, file, stdin, policyDisabled }: ContextFlags,
  out: Contexts,
  temporary: string[],
): Promise<void> {
  const attrs = out.frontendAttrs;
  let inline: Uint8Array | undefined;
  let directory: string | undefined;
  let name = 'Dockerfile';

  if (context === '-') {
    if (file === '-') throw usage("invalid argument: can't use stdin for both build context and dockerfile");
    const input = await peek(stdin, ARCHIVE_HEADER_SIZE);
    if (isArchive(input.head)) {
      await archiveContext(input.all, out, temporary);
      if (file !== '' && !isHttp(file)) name = file;
    } else {
      if (file !== '') {
        throw usage('ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles');
      }
      inline = await readDockerfile(input.all);
      out.localDirectories['context'] = temporaryDirectory(temporary);
    }
  } else if (isRemote(context)) {
    attrs['context'] = context;
    if (file === '-') inline = await readDockerfile(stdin);
    else if (isAbsolute(file)) {
      directory = dirname(file);
      name = basename(file);
      attrs['dockerfilekey'] = 'dockerfile';
    } else if (file !== '') name = file;
  } else {
    if (context === '') throw usage('the build context is empty', 'write . for the current directory');
    const found = statSync(context, { throwIfNoEntry: false });
    if (found === undefined)
      throw usage(`unable to prepare context: path ${JSON.stringify(context)} not found`);
    if (!found.isDirectory()) {
      throw usage(
        `unable to prepare context: path ${JSON.stringify(context)} is a file, not a directory`,
        'name the Dockerfile with -f',
      );
    }
    out.localDirectories['context'] = context;
    if (file === '-') inline = await readDockerfile(stdin);
    else if (file === '') {
      directory = context;
      out.dockerfileName = join(context, 'Dockerfile');
    } else {
      directory = dirname(file);
      name = basename(file);
    }
  }

  if (isHttp(file)) inline = await downloadDockerfile(file);
  if (inline !== undefined) {
    directory = temporaryDirectory(temporary);
    name = 'Dockerfile';
    out.dockerfileName = file === '-' ? 'stdin' : file === '' ? 'Dockerfile' : file;
    writeFileSync(join(directory, name), inline);
    attrs['dockerfilekey'] = 'dockerfile';
  }
  if (directory !== undefined) {
    out.localDirectories['dockerfile'] = directory;
    name = lowercaseFallback(directory, name);
    if (!policyDisabled) refusePolicy(join(directory, `${name}.rego`));
  }
  attrs['filename'] = name;
}

/** buildx takes `dockerfile` where there is no `Dockerfile`. */
function lowercaseFallback(directory: string, name: string): string {
  if (name !== 'Dockerfile' || !existsSync(directory)) return name;
  const names = readdirSync(directory);
  return !names.includes(name) && names.includes('dockerfile') ? 'dockerfile' : name;
}

/** docker buildx builds by it without being asked to. @throws CairnError UNSUPPORTED */
function refusePolicy(path: string): void {
  if (!existsSync(path)) return;
  throw new CairnError(`the policy ${path} cannot be applied: policies are not supported`, {
    code: 'UNSUPPORTED',
    hint: 'to build without it, add --policy disabled=true',
  });
}

/** Values of `--build-context`: name → PATH or URL, not yet looked at. @throws CairnError USAGE */
export function parseBuildContexts(values: readonly string[]): Map<string, string> {
  const parsed = new Map<string, string>();
  for (const value of values.filter((text) => text !== '')) {
    const equals = value.indexOf('=');
    if (equals === -1) throw usage(`invalid context value: ${value}, expected key=value`);
    parsed.set(contextName(value.slice(0, equals)), value.slice(equals + 1));
  }
  return parsed;
}

function namedContexts(targets: ReadonlyMap<string, string>, out: Contexts): void {
  for (const [name, target] of targets) {
    out.frontendAttrs['frontend.caps'] = 'moby.buildkit.frontend.contexts+forward';
    if (isRemote(target) || target.startsWith('docker-image://')) {
      out.frontendAttrs[`context:${name}`] = target;
    } else if (target.startsWith('target:')) {
      throw usage(`invalid context ${name}=${target}: target: names a target of a bake file`);
    } else if (target.startsWith('oci-layout://')) {
      out.frontendAttrs[`context:${name}`] = ociLayoutContext(target, out);
    } else {
      const found = statSync(target, { throwIfNoEntry: false });
      if (found === undefined)
        throw usage(`failed to get build context ${name}: stat ${target}: no such file or directory`);
      if (!found.isDirectory()) throw usage(`failed to get build context path ${target}: not a directory`);
      const local = name === 'context' || name === 'dockerfile' ? `_${name}` : name;
      out.localDirectories[local] = target;
      out.frontendAttrs[`context:${name}`] = `local:${local}`;
    }
  }
}

/** As the frontend looks for it. @throws CairnError USAGE */
function contextName(text: string): string {
  try {
    return familiarReference(parseNamed(text)).replace(/:latest$/, '');
  } catch (cause) {
    throw new CairnError(`invalid context name ${text}: ${messageOf(cause)}`, { code: 'USAGE', cause });
  }
}

/** `oci-layout://PATH[:TAG][@DIGEST]` → the reference the frontend gets, with a store id in place of the path. */
function ociLayoutContext(target: string, out: Contexts): string {
  const match = /^oci-layout:\/\/(.*?)(?::([\w][\w.-]{0,127}))?(?:@([a-z0-9]+:[0-9a-f]{32,}))?$/.exec(target);
  const path = match?.[1] ?? '';
  const indexPath = join(path, 'index.json');
  if (path === '' || !existsSync(indexPath)) {
    throw usage(
      `oci-layout reference ${JSON.stringify(target)} could not be resolved: ${indexPath} not found`,
    );
  }
  const storeId = randomUUID().replaceAll('-', '');
  const digest = match?.[3] ?? layoutDigest(indexPath, match?.[2] ?? 'latest', target);
  out.ociLayouts[storeId] = path;
  return `oci-layout://${storeId}${match?.[2] === undefined ? '' : `:${match[2]}`}@${digest}`;
}

interface LayoutIndex {
  manifests?: { digest: string; annotations?: Record<string, string> }[];
}

/** By the annotation ref.name; a layout with one manifest needs none. */
function layoutDigest(indexPath: string, tag: string, target: string): string {
  const index = JSON.parse(readFileSync(indexPath, 'utf8')) as LayoutIndex;
  const manifests = index.manifests ?? [];
  const named = manifests.find(({ annotations }) => {
    const ref = annotations?.['org.opencontainers.image.ref.name'];
    return ref === tag || (ref !== undefined && ref.endsWith(`:${tag}`) && manifests.length === 1);
  });
  const found = named ?? (manifests.length === 1 ? manifests[0] : undefined);
  if (found === undefined) {
    const names = manifests.map(
      ({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] ?? '?',
    );
    throw usage(
      `oci-layout reference ${JSON.stringify(target)} could not be resolved: no manifest is named ${JSON.stringify(tag)}`,
      `the layout has ${names.slice(0, 10).join(', ')}; name one with :TAG or @DIGEST`,
    );
  }
  return found.digest;
}

async function archiveContext(
  bytes: AsyncIterable<Uint8Array>,
  out: Contexts,
  temporary: string[],
): Promise<void> {
  const archive = join(temporaryDirectory(temporary), 'context');
  await writeFile(archive, bytes);
  const id = randomUUID().replaceAll('-', '');
  out.frontendAttrs['context'] = `http://buildkit-session/${id}`;
  out.uploads[id] = archive;
}

function temporaryDirectory(temporary: string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-'));
  temporary.push(directory);
  return directory;
}

/** http(s) URLs and git references, as buildx tells them from paths. */
function isRemote(context: string): boolean {
  return (
    /^(https?|git|ssh):\/\//.test(context) ||
    /^[\w.-]+@[\w.-]+:/.test(context) ||
    context.startsWith('github.com/')
  );
}
