/** A project whose steps are of all kinds that a cache stores in different ways. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const DOCKERFILE = `FROM busybox AS base
WORKDIR /app
COPY src ./src

FROM base AS tools
RUN mkdir /out && cat src/*.txt > /out/all && dd if=/dev/zero of=/out/zeros bs=1M count=2

FROM base
RUN chown 1000:1000 src && chmod 700 src
COPY --from=tools /out /out
COPY --link link.txt /link.txt
COPY last.txt /last.txt
RUN cat /out/all /link.txt /last.txt > /result && test "$(stat -c %u:%a src)" = 1000:700
`;

/** Beginnings of the steps, sorted. */
export const STEPS = [
  'COPY --from',
  'COPY --link',
  'COPY last.t',
  'COPY src ./',
  'RUN cat /ou',
  'RUN chown 1',
  'RUN mkdir /',
  'WORKDIR /ap',
];
/** Of those that run after an edit. */
export const EDITED = ['COPY last.t', 'RUN cat /ou'];

export function writeProject(directory: string): void {
  mkdirSync(join(directory, 'src'), { recursive: true });
  writeFileSync(join(directory, 'Dockerfile'), DOCKERFILE);
  for (const name of ['src/a.txt', 'src/b.txt', 'link.txt', 'last.txt'])
    writeFileSync(join(directory, name), `${name}\n`);
}

/** After it the last two steps run. */
export function editProject(directory: string, text: string): void {
  writeFileSync(join(directory, 'last.txt'), `${text}\n`);
}
