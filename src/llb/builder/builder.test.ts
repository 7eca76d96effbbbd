import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadDefinition } from '../definition.ts';
import type { Vertex } from '../graph.ts';
import { platformOf } from '../platform.ts';
import { marshalDefinition } from './definition.ts';
import { EnvList } from './env.ts';
import { exec } from './exec.ts';
import { file } from './file.ts';
import { stateOf } from './from_definition.ts';
import { diff, merge } from './merge.ts';
import { imageSource, localSource } from './source.ts';
import { State } from './state.ts';

const options = { platform: platformOf({ OS: 'linux', Architecture: 'amd64' }), localUnique: 'u' };

function built(state: State): Vertex {
  const edge = loadDefinition(marshalDefinition(state.output, options));
  assert.ok(edge !== undefined);
  return edge.vertex;
}

function execOf(vertex: Vertex) {
  assert.ok(vertex.op.op.case === 'exec');
  return vertex.op.op.value;
}

function actionsOf(vertex: Vertex) {
  assert.ok(vertex.op.op.case === 'file');
  return vertex.op.op.value.actions;
}

test('EnvList moves a variable that is set again to the end', () => {
  const env = EnvList.empty.set('A', '1').set('B', '2').set('A', '3');
  assert.deepEqual(env.toArray(), ['B=2', 'A=3']);
  assert.equal(env.delete('B').get('B'), undefined);
});

test('State resolves relative directories below the present one', () => {
  const state = State.scratch().setDir('a').setDir('../b/c');
  assert.equal(state.values.dir, '/b/c');
  assert.equal(state.absolute('d/', true), '/b/c/d/');
  assert.equal(state.absolute('/x/.', true), '/x/.');
});

test('an exec sorts its mounts by target and lists each input once', () => {
  const root = imageSource('busybox');
  const context = localSource('context');
  const state = exec(root, {
    args: ['true'],
    mounts: [
      { target: '/z', source: context, readonly: true },
      { target: '/a', source: context, noOutput: true },
      { target: '/c', source: State.scratch(), cache: { id: '/c', sharing: 'locked' } },
    ],
  });
  const { mounts } = execOf(built(state));
  assert.deepEqual(
    mounts.map(({ dest, input, output }) => [dest, input, output]),
    [
      ['/', 0n, 0n],
      ['/a', 1n, -1n],
      ['/c', -1n, -1n],
      ['/z', 1n, -1n],
    ],
  );
  assert.equal(built(state).inputs.length, 2);
});

test('an exec with an ssh socket sets SSH_AUTH_SOCK unless it is set', () => {
  const ssh = [{ id: '', target: '', optional: true, uid: 0, gid: 0, mode: 0o600 }];
  const env = (state: State) => execOf(built(exec(state, { args: ['true'], ssh }))).meta?.env;
  assert.deepEqual(env(imageSource('busybox')), ['SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0']);
  assert.deepEqual(env(imageSource('busybox').setEnv('SSH_AUTH_SOCK', '/x')), ['SSH_AUTH_SOCK=/x']);
});

test('an exec without arguments is refused when it is encoded', () => {
  const state = exec(imageSource('busybox'), { args: [] });
  assert.throws(() => marshalDefinition(state.output, options), /arguments are required/);
});

test('the steps of a file op build upon each other and only the last is a result', () => {
  const context = localSource('context');
  const state = file(imageSource('busybox'), [
    { kind: 'mkdir', path: 'd', mode: 0o755, owner: { user: { name: 'bob' } } },
    { kind: 'copy', source: context, src: 'a', dest: 'd/' },
    { kind: 'rm', path: '/tmp/x' },
  ]);
  const [mkdir, copy, rm] = actionsOf(built(state));
  assert.deepEqual([mkdir?.input, mkdir?.secondaryInput, mkdir?.output], [0n, -1n, -1n]);
  assert.deepEqual([copy?.input, copy?.secondaryInput, copy?.output], [2n, 1n, -1n]);
  assert.deepEqual([rm?.input, rm?.output], [3n, 0n]);
  assert.ok(copy?.action.case === 'copy');
  assert.equal(copy.action.value.dest, '/d/');
  assert.equal(copy.action.value.mode, -1);
});

test('merge leaves scratch out and is the state itself when one remains', () => {
  const image = imageSource('busybox');
  assert.equal(merge([State.scratch(), image]), image);
  assert.equal(merge([State.scratch(), State.scratch()]).output, undefined);
  assert.equal(built(merge([image, localSource('x')])).inputs.length, 2);
});

test('diff of scratch and a state is the state', () => {
  const image = imageSource('busybox');
  assert.equal(diff(State.scratch(), image), image);
  assert.match(built(diff(image, localSource('x'))).name, /^diff \(docker-image:.*\) -> \(local:\/\/x\)$/);
});

test('equal vertices are listed once, with the metadata and locations of both', () => {
  const map = { filename: 'F', language: '', data: new Uint8Array(), definition: undefined };
  const at = (line: number) => [
    { map, ranges: [{ start: { line, character: 0 }, end: { line, character: 0 } }] },
  ];
  const image = (line: number) => imageSource('busybox', { customName: `name ${line}`, locations: at(line) });
  const definition = marshalDefinition(merge([image(1), image(2)]).output, options);
  assert.equal(definition.def.length, 3);
  const [digest, locations] = Object.entries(definition.Source?.locations ?? {})[0] ?? [];
  assert.deepEqual(
    locations?.locations.map(({ ranges }) => ranges[0]?.start?.line),
    [1, 2],
  );
  assert.equal(definition.metadata[digest ?? '']?.description['llb.customname'], 'name 2');
});

test('a local source without a session gets the unique id, one with a session does not', () => {
  const attrs = (state: State) => {
    const { op } = built(state).op;
    assert.ok(op.case === 'source');
    return op.value.attrs;
  };
  assert.deepEqual(attrs(localSource('c')), { 'local.unique': 'u' });
  assert.deepEqual(attrs(localSource('c', { sessionId: 's' })), { 'local.session': 's' });
});

test('stateOf keeps the ops of a definition as they are', () => {
  const original = marshalDefinition(
    file(imageSource('busybox'), [{ kind: 'rm', path: '/x' }]).output,
    options,
  );
  const again = marshalDefinition(stateOf(original).output, options);
  assert.deepEqual(again.def, original.def);
  assert.deepEqual(again.metadata, original.metadata);
});
