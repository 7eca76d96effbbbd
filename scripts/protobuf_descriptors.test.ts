import { toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { build } from 'esbuild';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as generated from '../src/llb/gen/ops_pb.js';
import { protobufDescriptors } from './protobuf_descriptors.ts';

const directory = mkdtempSync(join(tmpdir(), 'cairn-descriptors-'));
after(() => rmSync(directory, { recursive: true, force: true }));

async function bundled(): Promise<typeof generated> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, '../src/llb/gen/ops_pb.js')],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    write: false,
    plugins: [protobufDescriptors],
  });
  const file = join(directory, 'ops.cjs');
  writeFileSync(file, outputFiles[0]?.contents ?? '');
  return createRequire(file)(file) as typeof generated;
}

test('protobufDescriptors gives the bundle the descriptor that the generated code parses', async () => {
  const { file_ops } = await bundled();
  const bytes = (file: typeof file_ops) => toBinary(FileDescriptorProtoSchema, file.proto);
  assert.deepEqual(bytes(file_ops), bytes(generated.file_ops));
});

test('messages of a bundle with literal descriptors have the same bytes', async () => {
  const { OpSchema } = await bundled();
  const op = {
    $typeName: 'pb.Op',
    inputs: [{ $typeName: 'pb.Input', digest: 'sha256:1', index: 2n }],
    constraints: undefined,
    platform: undefined,
    op: {
      case: 'source',
      value: { $typeName: 'pb.SourceOp', identifier: 'local://context', attrs: { a: 'b' } },
    },
  } as unknown as generated.Op;
  assert.deepEqual(toBinary(OpSchema, op), toBinary(generated.OpSchema, op));
});
