/** Formats that archives come in and Node cannot read: bzip2 and xz, through the programs of these names. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { CairnError } from '../../errors/error.ts';

/** Of a program's messages. */
const MAX_STDERR_BYTES = 4096;

export type DecompressingProgram = 'bzip2' | 'xz';

/** So many bytes tell the format. */
export const PROGRAM_MAGIC_BYTES = 6;

/** The program for what starts with these bytes; undefined: none is needed. */
export function decompressor(start: Uint8Array): DecompressingProgram | undefined {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  if (bytes.subarray(0, 3).toString('latin1') === 'BZh') return 'bzip2';
  if (bytes.subarray(0, 6).equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]))) return 'xz';
  return undefined;
}

/**
 * The uncompressed bytes of an open file or of bytes; the process ends with the reader.
 * @throws CairnError CORRUPT; UNSUPPORTED when the program is not installed
 */
export async function* throughProgram(
  program: DecompressingProgram,
  from: number | Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  // By name under /proc, so that the program reads from the start whatever has been read here.
  const input = typeof from === 'number' ? openSync(`/proc/self/fd/${from}`, 'r') : 'pipe';
  const child = spawn(program, ['-d', '-c', '-q'], { stdio: [input, 'pipe', 'pipe'] });
  if (typeof input === 'number') closeSync(input);
  let messages = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    messages = (messages + text).slice(0, MAX_STDERR_BYTES);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => {});
  // A program that has seen enough closes its end.
  child.stdin?.on('error', () => {});
  if (typeof from !== 'number') child.stdin?.end(from);
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    if ((await ended) === 0) return;
    throw new CairnError(`${program} cannot read the archive: ${messages.trim()}`, { code: 'CORRUPT' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new CairnError(`the archive is compressed with ${program}, which is not installed`, {
      code: 'UNSUPPORTED',
      hint: `Install ${program}, or compress the archive with gzip or zstd.`,
      cause: error,
    });
  } finally {
    child.kill('SIGKILL');
  }
}
