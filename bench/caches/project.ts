/** The project whose cache travels: layers of one size, made by steps whose keys do not depend on their files. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MIB = 1024 * 1024;

export interface ProjectSize {
  /** Of all layers together, uncompressed. */
  mebibytes: number;
  layers: number;
}

/** Bytes that no compressor shrinks, equal on every run. */
function noise(bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  for (let offset = 0, i = 0; offset < bytes; offset += 32, i++) {
    createHash('sha256').update(`cache ${i}`).digest().copy(out, offset);
  }
  return out;
}

function text(bytes: number): string {
  let out = '';
  for (let i = 0; out.length < bytes; i++) out += `line ${i} of a file that compresses, ${i % 97} ${i * i}\n`;
  return out.slice(0, bytes);
}

function stepNumber(_: unknown, i: number): string {
  return `RUN --mount=from=data,target=/data (echo ${i}; cat /data/noise /data/text) > /layer-${i}`;
}

/**
 * Writes Dockerfile and context. Half of each layer compresses well, the other half not at all: neither gzip nor
 * zstd look back far enough to see that it is the same in each.
 *
 * @param base reference of a busybox image
 */
export function writeProject(directory: string, base: string, { mebibytes, layers }: ProjectSize): void {
  mkdirSync(directory, { recursive: true });
  const half = Math.floor((mebibytes * MIB) / layers / 2);
  writeFileSync(join(directory, 'noise'), noise(half));
  writeFileSync(join(directory, 'text'), text(half));
  // One layer is that of the stage `data`, one is copied from the other stage, one is the marker.
  const steps = layers - 3;
  const all = Array.from({ length: steps }, stepNumber);
  const first = all.slice(0, Math.floor(steps / 2));
  const lines = [
    `FROM ${base} AS data`,
    'COPY noise text /',
    `FROM ${base} AS first`,
    ...first,
    `FROM ${base}`,
    ...all.slice(first.length),
    'COPY --from=first /layer-0 /result',
    'COPY marker /marker',
  ];
  writeFileSync(join(directory, 'Dockerfile'), `${lines.join('\n')}\n`);
  mark(directory, 'first');
}

/** After it the last step is another one. */
export function mark(directory: string, content: string): void {
  writeFileSync(join(directory, 'marker'), `${content}\n`);
}
