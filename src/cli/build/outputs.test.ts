import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../../errors/error.ts';
import { parseOutputs } from './outputs.ts';

const parse = (outputs: string[], more: { push?: boolean; load?: boolean; terminal?: boolean } = {}) =>
  parseOutputs({
    outputs,
    push: more.push ?? false,
    load: more.load ?? false,
    stdoutIsTerminal: more.terminal ?? false,
  });

test('parseOutputs takes a bare path as a local directory and - as a tar on stdout', () => {
  assert.deepEqual(parse(['out'])[0], {
    export: { type: 'local', attrs: {} },
    place: { kind: 'directory', path: 'out' },
  });
  assert.deepEqual(parse(['-'])[0], { export: { type: 'tar', attrs: {} }, place: { kind: 'stdout' } });
});

test('parseOutputs turns registry into a pushed image that is not unpacked', () => {
  assert.deepEqual(parse(['type=registry,name=r/a'])[0]?.export, {
    type: 'image',
    attrs: { push: 'true', unpack: 'false', name: 'r/a' },
  });
});

test('parseOutputs adds an image for --push only where none is there', () => {
  assert.equal(parse([], { push: true }).length, 1);
  assert.deepEqual(
    parse(['type=image', 'type=oci,dest=x.tar'], { push: true }).map((output) => output.export.attrs['push']),
    ['true', undefined],
  );
});

test('parseOutputs writes an oci layout directory when tar=false', () => {
  assert.deepEqual(parse(['type=oci,tar=false,dest=d'])[0]?.place, { kind: 'directory', path: 'd' });
  assert.throws(() => parse(['type=oci,tar=false']), /dest is required for oci exporter/);
});

test('parseOutputs suggests a type for a misspelt one', () => {
  assert.throws(
    () => parse(['type=imgae']),
    (error: unknown) =>
      error instanceof CairnError && error.code === 'USAGE' && error.hint === 'did you mean "image"?',
  );
});

test('parseOutputs refuses two outputs on stdout and a terminal', () => {
  assert.throws(() => parse(['type=tar', 'type=oci']), /multiple outputs configured to write to stdout/);
  assert.throws(() => parse(['type=tar'], { terminal: true }), /refusing to write to console/);
});
