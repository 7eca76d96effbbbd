/** What is built: one directory a scenario, and what changes between two builds of it. */
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export interface Scenario {
  name: string;
  /** Writes Dockerfile and context. `base` is the reference of a busybox image. */
  prepare(directory: string, base: string): void;
  /** The measured builds in order; each may change the context before it starts. */
  builds: { name: string; change?(directory: string): void; aim: string }[];
}

const dockerfile = (directory: string, lines: string[]) =>
  writeFileSync(join(directory, 'Dockerfile'), `${lines.join('\n')}\n`);

const SMALL_FILES = 50_000;
const FILES_PER_DIRECTORY = 250;

/** Bytes that no compressor shrinks, equal on every run. */
function noise(seed: string, bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  for (let offset = 0, i = 0; offset < bytes; offset += 32, i++) {
    createHash('sha256').update(`${seed}${i}`).digest().copy(out, offset);
  }
  return out;
}

export const SCENARIOS: Scenario[] = [
  {
    name: '20 steps',
    prepare(directory, base) {
      writeFileSync(join(directory, 'file'), 'content\n');
      const runs = Array.from({ length: 18 }, (_, i) => `RUN echo ${i} > /step-${i}`);
      dockerfile(directory, [`FROM ${base}`, 'COPY file /', ...runs, 'WORKDIR /work']);
    },
    builds: [
      { name: 'cold', aim: 'half of BuildKit' },
      { name: 'unchanged', aim: 'no slower than BuildKit' },
    ],
  },
  {
    name: '20 RUN steps',
    prepare(directory, base) {
      dockerfile(directory, [`FROM ${base}`, ...Array.from({ length: 20 }, (_, i) => `RUN true ${i}`)]);
    },
    builds: [{ name: 'cold', aim: 'half of BuildKit' }],
  },
  {
    name: '16 parallel stages',
    prepare(directory, base) {
      const stages = Array.from({ length: 16 }, (_, i) => [
        `FROM ${base} AS s${i}`,
        `RUN echo ${i} > /a`,
        `RUN cp /a /out-${i}`,
      ]);
      const copies = Array.from({ length: 16 }, (_, i) => `COPY --from=s${i} /out-${i} /`);
      dockerfile(directory, [...stages.flat(), 'FROM scratch', ...copies]);
    },
    builds: [{ name: 'cold', aim: 'half of BuildKit' }],
  },
  {
    name: '50,000 small files',
    prepare(directory, base) {
      for (let i = 0; i < SMALL_FILES; i++) {
        const parent = join(directory, 'src', String(Math.floor(i / FILES_PER_DIRECTORY)));
        if (i % FILES_PER_DIRECTORY === 0) mkdirSync(parent, { recursive: true });
        writeFileSync(join(parent, `file-${i}.txt`), `file number ${i}\n`.repeat(1 + (i % 60)));
      }
      dockerfile(directory, [`FROM ${base}`, 'COPY src /src', 'RUN true']);
    },
    builds: [
      { name: 'first', aim: 'half of BuildKit' },
      { name: 'unchanged', aim: 'half of BuildKit' },
      {
        name: 'one file changed',
        change: (directory) =>
          writeFileSync(join(directory, 'src', '7', 'file-1800.txt'), `changed ${Date.now()}\n`),
        aim: 'half of BuildKit',
      },
    ],
  },
  {
    name: '1 GiB layer',
    prepare(directory, base) {
      const block = Buffer.concat([noise('block', 512 * 1024), Buffer.alloc(512 * 1024)]);
      const file = openSync(join(directory, 'big'), 'w');
      for (let i = 0; i < 1024; i++) {
        block.writeUInt32LE(i, 0);
        writeSync(file, block);
      }
      closeSync(file);
      dockerfile(directory, [`FROM ${base}`, 'COPY big /big']);
    },
    builds: [{ name: 'first', aim: 'half of BuildKit' }],
  },
];
