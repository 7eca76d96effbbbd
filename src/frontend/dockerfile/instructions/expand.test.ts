import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDockerfile } from '../parser/parser.ts';
import { expandCommand, expandHeredocSources, supportsExpansion } from './expand.ts';
import { parseMount } from './mount.ts';
import { parseStages } from './parse.ts';
import type { Command, Mount } from './types.ts';

function command(line: string): Command {
  const [first] = parseStages(parseDockerfile(`FROM a\n${line}`).instructions).stages[0]?.commands ?? [];
  assert.ok(first !== undefined);
  return first;
}

/** The words that a command hands out for expansion, in order. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  expandCommand(command(line), (word) => {
    words.push(word);
    return word;
  });
  return words;
}

test('expandCommand expands the fields that BuildKit does', () => {
  const table: [string, string[]][] = [
    ['ENV a=b c=d', ['a', 'b', 'c', 'd']],
    ['LABEL a b', ['a', 'b']],
    ['ARG a b=c', ['a', 'b', 'c']],
    ['COPY --from=f --chown=o --chmod=m --exclude=e s t d', ['o', 'm', 's', 't', 'd']],
    ['ADD --chown=o --chmod=m --checksum=c --exclude=e s d', ['o', 'm', 'c', 's', 'd']],
    ['USER u', ['u']],
    ['WORKDIR w', ['w']],
    ['VOLUME v w', ['v', 'w']],
    ['STOPSIGNAL s', ['s']],
    ['RUN --mount=target=t,ro,from=f --network=none x', ['t', 'f']],
    ['EXPOSE 80', []],
    ['CMD x', []],
    ['ENTRYPOINT x', []],
    ['HEALTHCHECK CMD x', []],
    ['SHELL ["x"]', []],
    ['ONBUILD USER u', []],
    ['MAINTAINER m', []],
  ];
  for (const [line, words] of table) {
    assert.deepEqual(wordsOf(line), words, line);
    assert.equal(supportsExpansion(command(line)), words.length > 0, line);
  }
});

test('expandCommand leaves the command it was given as it was', () => {
  const env = command('ENV a=b');
  const before = structuredClone(env);
  const expanded = expandCommand(env, (word) => word.toUpperCase());
  assert.deepEqual(env, before);
  assert.ok(expanded.kind === 'env');
  assert.deepEqual(expanded.env, [{ key: 'A', value: 'B', legacy: false }]);
});

test('expandHeredocSources expands heredocs whose delimiter is not quoted', () => {
  const copy = command('COPY <<A <<"B" /d\na\nA\nb\nB\n');
  assert.ok(copy.kind === 'copy');
  const { sourceContents } = expandHeredocSources(copy, (text) => text.toUpperCase());
  assert.deepEqual(
    sourceContents.map((content) => content.data),
    ['A\n', 'b\n'],
  );
});

test('parseMount fills in what is given and the defaults of the type', () => {
  const table: [string, Partial<Mount>][] = [
    ['target=/x', { type: 'bind', target: '/x', readOnly: true }],
    ['TYPE=CACHE,dst=/x', { type: 'cache', target: '/x', readOnly: false }],
    [
      'type=cache,ro,id=i,sharing=Locked,mode=0750,uid=1,gid=4294967295',
      { readOnly: true, cacheId: 'i', cacheSharing: 'locked', mode: 0o750, uid: 1, gid: 4294967295 },
    ],
    ['rw,source=/s,from=f', { readOnly: false, source: '/s', from: 'f' }],
    ['readwrite=false', { readOnly: true }],
    ['ro,readonly=0', { readOnly: false }],
    ['type=tmpfs,size=1.5g', { readOnly: false, sizeLimit: 1_610_612_736n }],
    ['type=tmpfs,size=64 MiB', { sizeLimit: 67_108_864n }],
    ['type=tmpfs,size=100b', { sizeLimit: 100n }],
    ['type=secret,id=s,env=,required', { readOnly: true, cacheId: 's', env: '', required: true }],
    ['type=ssh,required=T', { readOnly: true, required: true, env: undefined }],
    ['"target=/a,b",type=bind', { target: '/a,b' }],
    ['"target=/a""b"', { target: '/a"b' }],
  ];
  for (const [text, want] of table) {
    const mount = parseMount(text, (word) => word);
    assert.deepEqual({ ...mount, ...want }, mount, text);
  }
});
