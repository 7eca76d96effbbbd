/** A file that an exporter writes, beside its final name until the build has succeeded. */
import { renameSync, rmSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { CairnError, messageOf } from '../../errors/error.ts';
import { makeDirectories } from '../../platform/make_directories.ts';
import { renameTarget } from '../../platform/replace_file.ts';
import { removeAbandoned, temporaryName } from '../../platform/temporary_name.ts';

const BUFFER_BYTES = 1024 * 1024;

export interface OpenOutput {
  stream: Writable;
  /** @throws CairnError when what was written cannot be handed over */
  close(success: boolean): Promise<void>;
}

/**
 * Renamed at the end: a failed build leaves an earlier file as it was. Devices and pipes are written to as they are.
 * The stream's errors name `path`.
 */
export function openFileOutput(path: string): OpenOutput {
  const target = renameTarget(path);
  const temporary = target === undefined ? undefined : join(dirname(target), temporaryName());
  const file = temporary === undefined ? open(path, 'w') : create(temporary);
  file.catch(() => {});
  const settle = (work: Promise<unknown>, done: (error?: Error) => void): void => {
    work.then(
      () => done(),
      (error: unknown) => done(cannotWrite(path, error)),
    );
  };
  const stream = new Writable({
    highWaterMark: BUFFER_BYTES,
    write: (chunk: Uint8Array, _encoding, done) =>
      settle(
        file.then((handle) => handle.writeFile(chunk)),
        done,
      ),
    final: (done) =>
      settle(
        file.then((handle) => handle.close()),
        done,
      ),
  });
  // Whoever writes meets the error; an output that nobody writes to any more has none to tell.
  stream.on('error', () => {});
  return {
    stream,
    async close(success) {
      if (!stream.closed) await new Promise<void>((done) => stream.once('close', () => done()).end());
      await file.then((handle) => handle.close()).catch(() => {});
      if (target === undefined || temporary === undefined) return;
      if (success) renameSync(temporary, target);
      else rmSync(temporary, { force: true });
    },
  };
}

/** Directories are made as docker buildx makes them. */
async function create(temporary: string): Promise<FileHandle> {
  const directory = dirname(temporary);
  makeDirectories(directory);
  removeAbandoned(directory);
  return open(temporary, 'wx', 0o644);
}

function cannotWrite(path: string, cause: unknown): CairnError {
  return new CairnError(`cannot write ${path}: ${messageOf(cause)}`, {
    code: 'UNAVAILABLE',
    hint: 'choose another destination, or make room for it and writable what is there',
    cause,
  });
}
