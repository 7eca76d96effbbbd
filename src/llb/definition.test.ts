import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { create, fromBinary } from '@bufbuild/protobuf';
import { loadDefinition } from './definition.ts';
import { digestOf } from './digest.ts';
import { DefinitionSchema, OpMetadataSchema, OpSchema } from './gen/ops_pb.js';
import type { Definition, Op } from './gen/ops_pb.js';
import { marshalOp } from './marshal.ts';

const cases = join(import.meta.dirname, '../../test/conformance/llb/cases');

interface GoldenOp {
  digest: string;
  raw: string;
  metadata?: { description?: Record<string, string> };
}
interface Golden {
  result?: { refs: { definition?: { ops: GoldenOp[] } }[] };
}

function goldenDefinitions(name: string): GoldenOp[][] {
  const golden = JSON.parse(readFileSync(join(cases, name, 'expected.json'), 'utf8')) as Golden;
  return (golden.result?.refs ?? []).flatMap((ref) =>
    ref.definition?.ops?.length ? [ref.definition.ops] : [],
  );
}

function definitionOf(ops: GoldenOp[]): Definition {
  return create(DefinitionSchema, { def: ops.map((op) => Buffer.from(op.raw, 'base64')) });
}

function definition(...ops: Parameters<typeof create<typeof OpSchema>>[1][]): Definition {
  const def: Uint8Array[] = [];
  for (const init of ops) {
    const op: Op = create(OpSchema, init);
    // An input without a digest stands for the op before it.
    for (const input of op.inputs) {
      const before = def.at(-1);
      if (input.digest === '' && before !== undefined) input.digest = digestOf(before);
    }
    def.push(marshalOp(op));
  }
  return create(DefinitionSchema, { def });
}

const source = { op: { case: 'source' as const, value: { identifier: 'local://context' } } };

test('marshalOp reproduces the bytes of every golden op when it re-encodes the parsed one', () => {
  let count = 0;
  for (const name of readdirSync(cases)) {
    for (const op of goldenDefinitions(name).flat()) {
      const raw = Buffer.from(op.raw, 'base64');
      assert.equal(Buffer.from(marshalOp(fromBinary(OpSchema, raw))).toString('base64'), op.raw, name);
      assert.equal(digestOf(raw), op.digest);
      count++;
    }
  }
  assert.ok(count > 500);
});

test('loadDefinition links every golden definition when its ops are well formed', () => {
  for (const name of readdirSync(cases)) {
    for (const ops of goldenDefinitions(name)) {
      const edge = loadDefinition(definitionOf(ops));
      assert.ok(edge !== undefined, name);
      const seen = new Set<string>();
      const walk = (vertex: typeof edge.vertex): void => {
        if (seen.has(vertex.digest)) return;
        seen.add(vertex.digest);
        for (const input of vertex.inputs) walk(input.vertex);
      };
      walk(edge.vertex);
      assert.deepEqual(
        [...seen].sort(),
        ops
          .slice(0, -1)
          .map((op) => op.digest)
          .sort(),
        name,
      );
    }
  }
});

test('loadDefinition returns undefined when the definition is empty', () => {
  assert.equal(loadDefinition(create(DefinitionSchema)), undefined);
});

test('loadDefinition gives ops without a platform the host platform', () => {
  const edge = loadDefinition(definition(source, { inputs: [{}] }));
  assert.equal(edge?.vertex.op.platform?.OS, 'linux');
});

test('loadDefinition names an op after its content when no description does', () => {
  const edge = loadDefinition(
    definition(
      source,
      {
        inputs: [{}],
        op: { case: 'diff', value: { lower: { input: -1n }, upper: { input: 0n } } },
      },
      { inputs: [{}] },
    ),
  );
  assert.equal(edge?.vertex.name, 'diff scratch -> (local://context)');
});

test('loadDefinition refuses ops that cannot be run and says what is wrong', () => {
  const mount = { dest: '/', input: 1n, output: 0n };
  const exec = (value: object) => ({ inputs: [{}], op: { case: 'exec' as const, value } });
  const rows: [Definition, RegExp][] = [
    [create(DefinitionSchema, { def: [Buffer.from('no protobuf')] }), /failed to parse llb proto op/],
    [definition({ inputs: [{ digest: 'sha256:00' }] }), /invalid LLB with 1 vertexes/],
    [definition(source, source, { ...source, platform: { OS: 'linux' } }), /no inputs on last vertex/],
    [definition(source, { inputs: [{ digest: 'sha256:00' }] }), /invalid missing input digest sha256:00/],
    [definition(source, { inputs: [{ index: -1n }] }), /invalid input 0 output index -1/],
    [
      definition(source, { inputs: [{ index: 1n }] }),
      /the result is output 1 of local:\/\/context, which has 1/,
    ],
    [definition(source, exec({}), { inputs: [{}] }), /invalid exec op with no meta/],
    [
      definition(source, exec({ meta: { args: ['a'] }, mounts: [mount] }), { inputs: [{}] }),
      /invalid input index 1 of mount \//,
    ],
    [
      definition(source, { inputs: [{}], op: { case: 'file', value: {} } }, { inputs: [{}] }),
      /invalid file op with no actions/,
    ],
    [
      definition(
        source,
        {
          inputs: [{}],
          op: {
            case: 'file',
            value: {
              actions: [{ input: 1n, secondaryInput: -1n, action: { case: 'rm', value: { path: '/a' } } }],
            },
          },
        },
        { inputs: [{}] },
      ),
      /invalid input index 1, 1 provided/,
    ],
  ];
  for (const [def, message] of rows) assert.throws(() => loadDefinition(def), message);
});

test('loadDefinition links a chain of ten thousand ops', () => {
  const ops: Parameters<typeof definition> = [source];
  for (let i = 0; i < 10_000; i++) {
    ops.push({ inputs: [{}], op: { case: 'merge', value: { inputs: [{ input: 0n }] } } });
  }
  // Names of merges nest; custom ones keep this test's names short.
  const def = definition(...ops, { inputs: [{}] });
  for (const bytes of def.def) {
    const digest = digestOf(bytes);
    def.metadata[digest] = create(OpMetadataSchema, { description: { 'llb.customname': 'm' } });
  }
  assert.equal(loadDefinition(def)?.vertex.name, 'm');
});

test('marshalOp refuses text that is not UTF-8, as Go does', () => {
  for (const args of [['a', 'b\udcff'], ['\ud800']]) {
    const op = create(OpSchema, { op: { case: 'exec', value: { meta: { args } } } });
    assert.throws(() => marshalOp(op), { message: 'string field contains invalid UTF-8' });
  }
});
