/** Jobs that make and unpack layer tars. */
import { createReadStream } from 'node:fs';
import { decompress } from '../../content/compression/decompress.ts';
import type { BlobInfo, Digest } from '../../content/contract.ts';
import { Digester } from '../../content/digest.ts';
import { verified } from '../../content/verify.ts';
import { CairnError } from '../../errors/error.ts';
import { ByteSender, type ByteChannel } from '../../platform/byte_stream.ts';
import type { JobContext } from '../../platform/contract.ts';
import { LayerApplier, type ApplyTarget } from '../apply/apply.ts';
import { overlayChanges, treeChanges, type ChangeHandler } from '../changes/changes.ts';
import { copyUnchanged } from '../changes/file_content.ts';
import { LayerTar } from '../changes/layer_tar.ts';
import type { LayerEntry, MountSpec } from '../contract.ts';
import { withMount } from '../mounts.ts';
import { displayName, toBinary } from '../names.ts';
import { TarReader } from '../tar/reader.ts';
import { TarWriter } from '../tar/writer.ts';

/** What a layer is the difference of. */
export type DiffSpec =
  /** An overlay upper directory over the mounted `lower`. */
  | { kind: 'overlay'; upper: string; lower: MountSpec | undefined; mountParent: string }
  /** Two whole trees. */
  | { kind: 'trees'; lower: MountSpec | undefined; upper: MountSpec; mountParent: string };

/** Calls `handle` for each change, and `start` before the first with the root that files are read from. */
export function withChanges(
  spec: DiffSpec,
  use: (root: string, run: (handle: ChangeHandler) => void) => void,
): void {
  const { mountParent } = spec;
  if (spec.kind === 'overlay') {
    const upper = toBinary(spec.upper);
    const inside = (lower: string | undefined): void =>
      use(upper, (handle) => overlayChanges(upper, lower, handle));
    if (spec.lower === undefined) inside(undefined);
    else withMount(spec.lower, (lower) => inside(toBinary(lower)), mountParent);
    return;
  }
  withMount(
    spec.upper,
    (upperPath) => {
      const upper = toBinary(upperPath);
      const inside = (lower: string | undefined): void =>
        use(upper, (handle) => treeChanges(lower, upper, handle));
      if (spec.lower === undefined) inside(undefined);
      else withMount(spec.lower, (lower) => inside(toBinary(lower)), mountParent);
    },
    mountParent,
  );
}

/** Where a tar goes. */
export interface TarDestination {
  channel: ByteChannel;
  /** Hashed here, on this thread: content/compression/layer.ts has other work to do. */
  hash?: boolean;
}

/** @returns what was sent, where it was to be hashed */
function sendTar(
  { channel, hash = false }: TarDestination,
  context: JobContext,
  write: (writer: TarWriter) => void,
): BlobInfo | undefined {
  const { send } = new ByteSender(context, channel);
  const digester = hash ? new Digester() : undefined;
  const writer = new TarWriter((chunk) => {
    digester?.update(chunk);
    send(chunk);
  });
  write(writer);
  writer.end();
  return digester && { digest: digester.digest(), size: digester.size };
}

/** Sends the tar of a diff. */
export function diffTar(
  { spec, ...destination }: { spec: DiffSpec } & TarDestination,
  context: JobContext,
): BlobInfo | undefined {
  return sendTar(destination, context, (writer) =>
    withChanges(spec, (root, run) => {
      const layer = new LayerTar(writer, root);
      run((kind, path, info) => {
        stopIfAborted(context);
        layer.handle(kind, path, info);
      });
    }),
  );
}

/** Sends the tar of planned entries. */
export function entriesTar(
  { entries, ...destination }: { entries: Iterable<LayerEntry> } & TarDestination,
  context: JobContext,
): BlobInfo | undefined {
  return sendTar(destination, context, (writer) => {
    for (const entry of entries) {
      stopIfAborted(context);
      writer.header(entry);
      if (entry.type !== 'file' || entry.size === 0) continue;
      const { content } = entry;
      if (content === undefined) throw new Error(`${entry.name} has no content`);
      if ('path' in content) copyUnchanged(writer, content.path, content.info);
      else {
        writer.data(content.data);
        writer.pad(entry.size);
      }
    }
  });
}

export interface UnpackArgs {
  blob: string;
  /** Of the uncompressed bytes. */
  diffID: Digest | undefined;
  target: ApplyTarget;
}

export interface Unpacked {
  /** Bytes of the uncompressed tar. */
  tarBytes: number;
  whiteouts: boolean;
}

/** Bytes read from a blob at a time. */
const READ_BYTES = 1 << 20;

/** Unpacks a blob of any compression; the diffID is checked. The target is not complete when this fails. */
export async function unpack({ blob, diffID, target }: UnpackArgs, context: JobContext): Promise<Unpacked> {
  const applier = new LayerApplier(target);
  const reader = new TarReader(applier);
  const file = createReadStream(blob, { highWaterMark: READ_BYTES, signal: context.signal });
  const bytes = decompress(file);
  let tarBytes = 0;
  try {
    for await (const chunk of diffID === undefined ? bytes : verified(bytes, { digest: diffID })) {
      tarBytes += chunk.length;
      reader.write(chunk);
    }
    reader.end();
    applier.finish();
  } catch (error) {
    applier.abandon();
    throw unpackError(error, reader.current);
  }
  return { tarBytes, whiteouts: applier.whiteouts };
}

/** Applies a diff without making the tar anywhere but in memory, a chunk at a time. */
export function applyDiff(spec: DiffSpec, target: ApplyTarget, context: JobContext): void {
  const applier = new LayerApplier(target);
  const reader = new TarReader(applier);
  const writer = new TarWriter((chunk) => reader.write(chunk));
  try {
    withChanges(spec, (root, run) => {
      const layer = new LayerTar(writer, root);
      run((kind, path, info) => {
        stopIfAborted(context);
        layer.handle(kind, path, info);
      });
    });
    writer.end();
    reader.end();
    applier.finish();
  } catch (error) {
    applier.abandon();
    throw unpackError(error, reader.current);
  }
}

export function stopIfAborted(context: JobContext): void {
  if (context.signal.aborted) throw new CairnError('canceled', { code: 'CANCELED' });
}

function unpackError(error: unknown, entry: string): unknown {
  if (error instanceof CairnError || !(error instanceof Error) || !('syscall' in error)) return error;
  const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
  return new CairnError(`cannot unpack ${displayName(entry)}: ${error.message}`, {
    code: 'STORE',
    hint: full ? 'The disk is full: prune the cache, or choose another store with --root.' : undefined,
    cause: error,
  });
}
