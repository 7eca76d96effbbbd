/** Differently shaped projects: the files of each, and how it is built. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Shape {
  name: string;
  files: Record<string, string>;
  /** Further flags; `DIR` stands for the project's directory. */
  flags?: string[];
  /** Paths in the image, and a part of their content. */
  expect: Record<string, string>;
  /** An edit, and parts of the names of exactly the steps that run after it. */
  edit: { file: string; content: string; runs: string[] };
}

const lines = (...text: string[]) => `${text.join('\n')}\n`;

export const SHAPES: Shape[] = [
  {
    name: 'multi-stage node',
    files: {
      'package.json': '{"name":"app","scripts":{"build":"tsc"}}\n',
      'src/index.ts': 'console.log(1)\n',
      '.dockerignore': 'node_modules\n*.log\n',
      'noise.log': 'not in the context\n',
      Dockerfile: lines(
        'FROM node:22-alpine AS deps',
        'WORKDIR /app',
        'COPY package.json ./',
        'RUN npm ci',
        'FROM deps AS build',
        'COPY src ./src',
        'RUN npm run build && cat src/index.ts > built.txt',
        'FROM node:22-alpine',
        'WORKDIR /app',
        'COPY --from=deps /app /app',
        'COPY --from=build /app/built.txt /app/',
        'USER 1000:1000',
        'CMD ["node", "built.txt"]',
      ),
    },
    expect: { 'app/built.txt': 'console.log(1)' },
    edit: {
      file: 'src/index.ts',
      content: 'console.log(2)\n',
      runs: ['COPY src', 'RUN npm run build', 'COPY --from=build'],
    },
  },
  {
    name: 'static binary',
    files: {
      'main.sh': '#!/bin/sh\necho hello\n',
      Dockerfile: lines(
        'FROM busybox AS build',
        'COPY --chmod=755 main.sh /out/app',
        'RUN cp /bin/busybox /out/sh && chmod u+s /out/sh',
        'FROM scratch',
        'COPY --from=build /out/ /',
        'ENTRYPOINT ["/sh", "/app"]',
      ),
    },
    expect: { app: 'echo hello' },
    edit: {
      file: 'main.sh',
      content: '#!/bin/sh\necho bye\n',
      runs: ['COPY --chmod=755', 'RUN cp', 'COPY --from=build'],
    },
  },
  {
    name: 'heredocs',
    files: {
      'extra.txt': 'extra\n',
      Dockerfile: lines(
        'FROM busybox',
        'ARG WHO=world',
        'COPY <<EOF <<"RAW" /etc/demo/',
        'hello $WHO',
        'EOF',
        'raw $WHO',
        'RAW',
        'RUN <<EOF',
        'set -e',
        'mkdir /made',
        'cat /etc/demo/* > /made/all',
        'EOF',
        'RUN <<-SCRIPT sh -e',
        '\techo "a\tb" > /made/tab',
        'SCRIPT',
        'COPY extra.txt /made/',
      ),
    },
    expect: { 'made/all': 'hello world\nraw $WHO\n', 'made/tab': 'a\tb' },
    edit: { file: 'extra.txt', content: 'other\n', runs: ['COPY extra.txt'] },
  },
  {
    name: 'cache and secret mounts',
    files: {
      'token.txt': 'very-secret-value\n',
      'lock.txt': 'one\n',
      Dockerfile: lines(
        'FROM busybox',
        'WORKDIR /w',
        'COPY lock.txt .',
        'RUN --mount=type=cache,target=/cache,sharing=locked --mount=type=tmpfs,target=/scratch \\',
        '    --mount=type=secret,id=token,mode=0400 \\',
        '    wc -c < /run/secrets/token > size && cp lock.txt /cache/ && cp lock.txt /scratch/ && ls /cache > listed',
        'RUN --mount=type=secret,id=token,env=TOKEN test -n "$TOKEN" && test ! -e /run/secrets/token',
        'RUN --mount=type=bind,source=lock.txt,target=/bound cat /bound > from-bind',
      ),
      '.dockerignore': 'token.txt\n',
    },
    flags: ['--secret', 'id=token,src=DIR/token.txt'],
    expect: { 'w/size': '18', 'w/listed': 'lock.txt', 'w/from-bind': 'one' },
    edit: {
      file: 'lock.txt',
      content: 'two\n',
      runs: ['COPY lock.txt', 'type=cache', 'env=TOKEN', 'type=bind'],
    },
  },
  {
    name: 'onbuild',
    files: {
      Dockerfile: lines('FROM onbuild', 'RUN ls /usr/src/app > /listed', 'COPY own.txt /own.txt'),
      'own.txt': 'own\n',
      'package.json': '{}\n',
    },
    expect: { listed: 'package.json', 'own.txt': 'own' },
    edit: { file: 'own.txt', content: 'changed\n', runs: ['COPY . /usr/src/app', 'RUN ls', 'COPY own.txt'] },
  },
  {
    name: 'copy --link chain',
    files: {
      a: 'a\n',
      b: 'b\n',
      c: 'c\n',
      Dockerfile: lines(
        'FROM busybox',
        'COPY --link a /d/',
        'COPY --link b /d/',
        'COPY --link --chown=7:8 c /d/',
        'COPY --link --from=alpine:3.20 /etc/passwd /d/',
      ),
    },
    expect: { 'd/a': 'a', 'd/b': 'b', 'd/c': 'c', 'd/passwd': 'root' },
    edit: { file: 'b', content: 'B\n', runs: ['COPY --link b'] },
  },
  {
    name: '40 steps',
    files: {
      seed: '0\n',
      late: 'late\n',
      Dockerfile: lines(
        'FROM busybox',
        'COPY seed /seed',
        ...Array.from({ length: 37 }, (_, i) => `RUN echo ${i} > /s${i}`),
        'COPY late /late',
        'RUN cat /seed /late > /sum',
      ),
    },
    expect: { s36: '36', sum: '0\nlate\n' },
    edit: { file: 'late', content: 'later\n', runs: ['COPY late', 'RUN cat /seed'] },
  },
  {
    name: '3 parallel stages',
    files: {
      one: '1\n',
      two: '2\n',
      three: '3\n',
      Dockerfile: lines(
        ...['one', 'two', 'three'].flatMap((name) => [
          `FROM busybox AS ${name}`,
          `COPY ${name} /in`,
          `RUN sleep 0.2; cp /in /out-${name}`,
        ]),
        'FROM busybox AS unused',
        'RUN false',
        'FROM scratch',
        ...['one', 'two', 'three'].map((name) => `COPY --from=${name} /out-${name} /`),
      ),
    },
    expect: { 'out-one': '1', 'out-two': '2', 'out-three': '3' },
    edit: {
      file: 'two',
      content: '22\n',
      runs: ['COPY two', 'cp /in /out-two', 'COPY --from=two', 'COPY --from=three'],
    },
  },
];

/** Writes the project below `directory`. */
export function writeShape(shape: Shape, directory: string): void {
  for (const [name, content] of Object.entries(shape.files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
}
