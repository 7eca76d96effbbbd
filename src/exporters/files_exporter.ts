import { CairnError, messageOf } from '../errors/error.ts';
import { formatPlatformFull } from '../llb/platform.ts';
import { streamJob } from '../platform/byte_stream.ts';
import type { JobPool } from '../platform/contract.ts';
import { startStatus } from '../progress/vertex.ts';
import type { SnapshotStore } from '../snapshots/contract.ts';
import type { Attributes } from './attributes.ts';
import type { Exporter, ExportContext, ExportInput, OutputTarget } from './contract.ts';
import { parseEpoch, type ImageOptions } from './image_options.ts';
import { OutputStream } from './output_stream.ts';
import type { TreeCopyArgs, TreeCopyReport } from './tree_copy.ts';
import type { ExportTree } from './tree_files.ts';

export interface FilesExporterServices {
  snapshots: SnapshotStore;
  output: OutputTarget;
  jobs: JobPool;
}

interface FilesOptions {
  epoch: ImageOptions['epoch'];
  /** A directory for each platform; undefined: when the build is multi-platform. */
  split: boolean | undefined;
}

function parseFilesOptions(attributes: Attributes): FilesOptions {
  const epoch = parseEpoch(attributes.text('source-date-epoch'));
  const split = attributes.bool('platform-split');
  // Names of attestation files, of which there are none.
  attributes.text('attestation-prefix');
  return { epoch, split };
}

/** `type=local`: the result's files in a directory of the client. @throws CairnError USAGE */
export function createLocalExporter(
  attributes: Attributes,
  index: number,
  services: FilesExporterServices,
): Exporter {
  const options = parseFilesOptions(attributes);
  const mode = attributes.text('mode') ?? '';
  if (!['', 'copy', 'delete'].includes(mode)) {
    throw new CairnError(`invalid local exporter mode ${JSON.stringify(mode)}`, {
      code: 'USAGE',
      hint: 'modes are copy and delete',
    });
  }
  attributes.finish();
  return {
    name: 'exporting to client directory',
    readsFiles: true,
    streams: true,
    async export(input, context) {
      const trees = await exportTrees(services.snapshots, input, options, context);
      const args: TreeCopyArgs = {
        trees,
        target: await services.output.directory(index),
        deleteOthers: mode === 'delete',
        uid: process.getuid?.() ?? 0,
        gid: process.getgid?.() ?? 0,
      };
      try {
        await copyTrees(services.jobs, args, context);
      } catch (cause) {
        if (cause instanceof CairnError) throw cause;
        throw new CairnError(`cannot write to ${args.target}: ${messageOf(cause)}`, {
          code: 'UNAVAILABLE',
          hint: 'choose another destination, or make room for it and writable what is there',
          cause,
        });
      }
      return {};
    },
  };
}

async function copyTrees(
  jobs: JobPool,
  args: TreeCopyArgs,
  { progress, signal }: ExportContext,
): Promise<void> {
  const started = new Date();
  const ids = args.trees.map((tree) => (tree.prefix === '' ? 'copying files' : `copying files ${tree.name}`));
  const bytes = args.trees.map(() => 0);
  const report = (index: number, completed?: Date): void => {
    const id = ids[index] ?? '';
    progress.status({
      id,
      name: 'transferring',
      current: bytes[index] ?? 0,
      total: 0,
      started,
      ...(completed === undefined ? {} : { completed }),
    });
  };
  for (const index of ids.keys()) report(index);
  await jobs.run<TreeCopyArgs, void>('exporters.treeCopy', args, {
    signal,
    onMessage: (message) => {
      const { index, bytes: now } = message as TreeCopyReport;
      bytes[index] = now;
      report(index);
    },
  });
  for (const index of ids.keys()) report(index, new Date());
}

/** `type=tar`: the result's files as a tar. @throws CairnError USAGE */
export function createTarExporter(
  attributes: Attributes,
  index: number,
  services: FilesExporterServices,
): Exporter {
  const options = parseFilesOptions(attributes);
  attributes.finish();
  return {
    name: 'exporting to client tarball',
    readsFiles: true,
    streams: true,
    async export(input, context) {
      // As in BuildKit, only a directory has the choice.
      const trees = await exportTrees(services.snapshots, input, { ...options, split: undefined }, context);
      // A tar is sorted: platforms in the order of their directories.
      trees.sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
      const done = startStatus(context.progress, 'sending tarball');
      const stream = new OutputStream(await services.output.file(index));
      const { bytes } = streamJob(services.jobs, 'exporters.treeTar', { trees }, { signal: context.signal });
      for await (const chunk of bytes) await stream.write(chunk);
      await stream.end();
      done();
      return {};
    },
  };
}

async function exportTrees(
  snapshots: SnapshotStore,
  input: ExportInput,
  options: FilesOptions,
  context: ExportContext,
): Promise<ExportTree[]> {
  const isMap = input.refs.some((ref) => ref.platformId !== undefined);
  return Promise.all(
    input.refs.map(async (ref) => {
      const name = ref.platformId ?? formatPlatformFull(ref.platform);
      return {
        spec: ref.snapshot === undefined ? undefined : await snapshots.view(ref.snapshot, context.progress),
        prefix: (options.split ?? isMap) ? name.replaceAll('/', '_') : '',
        name,
        epoch: options.epoch === undefined ? ref.sourceDateEpoch : options.epoch.seconds,
      };
    }),
  );
}
