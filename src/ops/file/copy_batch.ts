/**
 * A number of regular files that one thread wants copied and that any thread may copy: as plain data, with a word of
 * shared memory that says who has it. Whoever changes OFFERED to TAKEN copies the files.
 */
import { writeRegular } from './regular_file.ts';
import type { Metadata, SourceFile } from './target.ts';

export interface CopyBatch {
  /** Source and target of each file in turns, full paths as binary strings, with a NUL between all of them. */
  paths: string;
  /** FIELDS numbers for each file. */
  numbers: BigInt64Array;
  /** One element: OFFERED, TAKEN, DONE or FAILED. Waiters are woken when it ends. */
  state: Int32Array;
}

export interface CopiedFile {
  source: SourceFile;
  /** Full path of the target, a binary string. */
  to: string;
  metadata: Metadata;
}

const OFFERED = 0;
const TAKEN = 1;
const DONE = 2;
const FAILED = 3;

/** Size, allocated bytes, uid, gid, mode, time. */
const FIELDS = 6;

/** All of a client's, with one name and nothing at the target. */
export function makeBatch(files: readonly CopiedFile[]): CopyBatch {
  const numbers = new BigInt64Array(files.length * FIELDS);
  const paths: string[] = [];
  for (const [i, { source, to, metadata }] of files.entries()) {
    paths.push(source.path, to);
    const { size, allocated } = source.info;
    const { uid, gid, mode, time } = metadata;
    numbers.set([BigInt(size), BigInt(allocated), BigInt(uid), BigInt(gid), BigInt(mode), time], i * FIELDS);
  }
  return { paths: paths.join('\0'), numbers, state: new Int32Array(new SharedArrayBuffer(4)) };
}

/** Whether nobody has taken it. */
export function isOffered({ state }: CopyBatch): boolean {
  return Atomics.load(state, 0) === OFFERED;
}

export function isDone({ state }: CopyBatch): boolean {
  return Atomics.load(state, 0) === DONE;
}

/** Takes an offer back: nobody else copies it from here on. False: another has it, or had it. */
export function withdrawBatch({ state }: CopyBatch): boolean {
  return Atomics.compareExchange(state, 0, OFFERED, DONE) === OFFERED;
}

/** Waits, without its event loop, for who has taken it. False: it failed, and some of its files may be there. */
export function waitForBatch({ state }: CopyBatch): boolean {
  while (Atomics.load(state, 0) === TAKEN) Atomics.wait(state, 0, TAKEN);
  return Atomics.load(state, 0) === DONE;
}

/** For a batch whose thread is gone: nobody waits for it then. */
export function failBatch({ state }: CopyBatch): void {
  Atomics.compareExchange(state, 0, TAKEN, FAILED);
  Atomics.notify(state, 0);
}

/** Job: copies the files of a batch that nobody else has taken. Why it failed, the batch's owner finds out itself. */
export function copyBatch(batch: CopyBatch, { signal }: { signal: { readonly aborted: boolean } }): void {
  if (Atomics.compareExchange(batch.state, 0, OFFERED, TAKEN) !== OFFERED) return;
  let outcome = FAILED;
  try {
    const paths = batch.paths.split('\0');
    const count = batch.numbers.length / FIELDS;
    let at = 0;
    for (; at < count && !signal.aborted; at++) copyNth(paths, batch.numbers, at);
    if (at === count) outcome = DONE;
  } catch {
    // The owner does it again, and meets the same failure where it can be told.
  } finally {
    Atomics.store(batch.state, 0, outcome);
    Atomics.notify(batch.state, 0);
  }
}

function copyNth(paths: readonly string[], numbers: BigInt64Array, index: number): void {
  const field = (n: number): bigint => numbers[index * FIELDS + n] ?? 0n;
  const [path = '', to = ''] = [paths[2 * index], paths[2 * index + 1]];
  const info = { size: Number(field(0)), allocated: Number(field(1)) };
  const metadata = { uid: Number(field(2)), gid: Number(field(3)), mode: Number(field(4)), time: field(5) };
  writeRegular({ path, info, fromClient: true }, to, metadata);
}
