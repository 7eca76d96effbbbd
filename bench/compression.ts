/**
 * Throughput of layer compression beside what the compressors themselves do on one core, and of the store.
 * `node bench/compression.ts [MiB]`; ratios within one run are comparable, numbers of two machines are not.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, deflateRawSync, zstdCompressSync } from 'node:zlib';
import { decompress } from '../src/content/compression/decompress.ts';
import { GZIP_DEFAULT_LEVEL } from '../src/content/compression/gzip.ts';
import { compressLayer } from '../src/content/compression/layer.ts';
import { ZSTD_DEFAULT_LEVEL } from '../src/content/compression/zstd.ts';
import { createContentStore } from '../src/content/store.ts';
import { openStore } from '../src/store/open.ts';

const MIB = 1024 * 1024;
const size = Number(process.argv[2] ?? 64) * MIB;
const CHUNK_BYTES = MIB;
/** The one-core reference reads no more than this. */
const REFERENCE_BYTES = Math.min(size, 16 * MIB);

const binary = readFileSync(process.execPath).subarray(0, size);
const data: Record<string, Buffer> = {
  'program code': binary,
  'half random, half program': mixed(binary),
  random: randomBytes(size),
};

function mixed(from: Buffer): Buffer {
  const out = Buffer.from(from);
  for (let at = 0; at < out.length; at += 2 * MIB) randomBytes(MIB).copy(out, at);
  return out;
}

async function* chunks(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += CHUNK_BYTES) yield bytes.subarray(i, i + CHUNK_BYTES);
}

async function drain(input: AsyncIterable<Uint8Array>): Promise<number> {
  let total = 0;
  for await (const chunk of input) total += chunk.length;
  return total;
}

interface Timing<T> {
  /** MiB per second of wall time, and of processor time: the second says the same on a busy machine. */
  wall: number;
  cpu: number;
  result: T;
}

async function timed<T>(bytes: number, work: () => Promise<T> | T): Promise<Timing<T>> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const used = process.cpuUsage(before);
  const mib = bytes / MIB;
  return {
    wall: mib / ((performance.now() - start) / 1000),
    cpu: mib / ((used.user + used.system) / 1_000_000),
    result,
  };
}

function line(name: string, { wall, cpu }: Timing<unknown>, ratio: number, against?: Timing<unknown>): void {
  const relative =
    against === undefined
      ? ''
      : `  ${(wall / against.wall).toFixed(2)} × one core, ${((100 * cpu) / against.cpu).toFixed(0)} % of its efficiency`;
  console.log(`  ${name.padEnd(34)}${wall.toFixed(0).padStart(6)} MiB/s  ${ratio.toFixed(3)}${relative}`);
}

console.log(`${availableParallelism()} cores, ${size / MIB} MiB each`);
const root = mkdtempSync(join(tmpdir(), 'cairn-bench-'));
const store = openStore(root, []);
const content = createContentStore(store);
try {
  for (const [name, bytes] of Object.entries(data)) {
    console.log(name);
    const sample = bytes.subarray(0, REFERENCE_BYTES);
    const deflate = await timed(sample.length, () =>
      deflateRawSync(sample, { level: GZIP_DEFAULT_LEVEL, chunkSize: MIB }),
    );
    line(`zlib level ${GZIP_DEFAULT_LEVEL}, one core`, deflate, deflate.result.length / sample.length);
    const zstd = await timed(sample.length, () =>
      zstdCompressSync(sample, { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_DEFAULT_LEVEL } }),
    );
    line(`zstd level ${ZSTD_DEFAULT_LEVEL}, one core`, zstd, zstd.result.length / sample.length);
    for (const [type, reference] of [
      ['gzip', deflate],
      ['zstd', zstd],
    ] as const) {
      const compressed: Uint8Array[] = [];
      const packed = await timed(bytes.length, async () => {
        for await (const chunk of compressLayer(chunks(bytes), { type }).bytes) compressed.push(chunk);
      });
      const whole = Buffer.concat(compressed);
      line(`compressLayer ${type}, hashed twice`, packed, whole.length / bytes.length, reference);
      const written = await timed(bytes.length, () =>
        content.ingest(compressLayer(chunks(bytes), { type }).bytes),
      );
      line(`  into the store`, written, written.result.size / bytes.length, reference);
      const unpacked = await timed(bytes.length, () => drain(decompress(chunks(whole))));
      line(`decompress ${type}`, unpacked, 1);
    }
    const plain = await timed(bytes.length, () => content.ingest(chunks(bytes)));
    line('uncompressed into the store', plain, 1);
  }
} finally {
  store.close();
  rmSync(root, { recursive: true, force: true });
}
console.log(`memory: ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB at most, input included`);
