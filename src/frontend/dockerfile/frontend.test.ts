import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../../errors/error.ts';
import { loadDefinition } from '../../llb/definition.ts';
import type { Definition } from '../../llb/gen/ops_pb.js';
import { platformOf } from '../../llb/platform.ts';
import type { FrontendWarning, Gateway } from './contract.ts';
import {
  buildDockerfile,
  detectForward,
  lintDockerfile,
  outlineDockerfile,
  targetsDockerfile,
} from './frontend.ts';
import { FrontendError } from './frontend_error.ts';

const CONFIG = {
  architecture: 'amd64',
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: ['sha256:1'] },
  config: { Env: ['A=1'] },
};

interface Opened {
  gateway: Gateway;
  solved: Definition[];
  warnings: FrontendWarning[];
}

/** A gateway that serves `files` from every source and one image under every name. */
function open(files: Record<string, string>, opts: Record<string, string> = {}): Opened {
  const solved: Definition[] = [];
  const warnings: FrontendWarning[] = [];
  const gateway: Gateway = {
    opts,
    workerPlatforms: [platformOf({ OS: 'linux', Architecture: 'amd64' })],
    localUnique: 'u',
    async solve(definition) {
      solved.push(definition);
      return {
        async readFile(path, range) {
          const text = files[path];
          if (text === undefined) throw new CairnError(`open ${path}`, { code: 'NOT_FOUND' });
          const data = Buffer.from(text, 'latin1');
          return range === undefined ? data : data.subarray(range.offset, range.offset + range.length);
        },
        statFile: async () => undefined,
        readDir: async () => [],
      };
    },
    resolveImageConfig: async (ref) => ({
      ref,
      digest: `sha256:${'a'.repeat(64)}`,
      config: Buffer.from(JSON.stringify(CONFIG)),
    }),
    warn: (warning) => warnings.push(warning),
  };
  return { gateway, solved, warnings };
}

async function names(files: Record<string, string>, opts: Record<string, string> = {}): Promise<string[]> {
  const { refs } = await buildDockerfile(open(files, opts).gateway);
  const definition = refs[0]?.definition;
  assert.ok(definition !== undefined);
  const found: string[] = [];
  const visit = (vertex: NonNullable<ReturnType<typeof loadDefinition>>['vertex']): void => {
    for (const input of vertex.inputs) visit(input.vertex);
    if (!found.includes(vertex.name)) found.push(vertex.name);
  };
  const edge = loadDefinition(definition);
  assert.ok(edge !== undefined);
  visit(edge.vertex);
  return found;
}

test('buildDockerfile names steps by their number in the stage', async () => {
  const found = await names({ Dockerfile: 'FROM a AS b\nRUN x\nCOPY y /z\n' });
  assert.match(found[0] ?? '', /^\[1\/3\] FROM docker\.io\/library\/a:latest@sha256:/);
  assert.deepEqual(found.slice(1), ['[2/3] RUN x', '[internal] load build context', '[3/3] COPY y /z']);
});

test('buildDockerfile accepts a file named dockerfile and its own ignore file', async () => {
  const dockerfile = 'FROM scratch\nCOPY . /\n';
  assert.equal((await names({ dockerfile })).length, 2);
  const opened = open({ Dockerfile: dockerfile, 'Dockerfile.dockerignore': 'x\n' });
  const { refs } = await buildDockerfile(opened.gateway);
  assert.equal(opened.solved.length, 1);
  const edge = refs[0]?.definition && loadDefinition(refs[0].definition);
  const context = edge?.vertex.inputs[0]?.vertex.op.op;
  assert.ok(context?.case === 'source');
  assert.equal(context.value.attrs['local.excludepatterns'], '["x"]');
});

test('buildDockerfile unpacks an HTTP context that is an archive, else takes it for the Dockerfile', async () => {
  const http = { context: 'https://example.com/x' };
  const plain = await names({ context: 'FROM a\nRUN x\n' }, http);
  assert.equal(plain.at(-1), '[2/2] RUN x');
  const archive = await names({ context: '\x1f\x8b\x08', Dockerfile: 'FROM scratch\nCOPY f /\n' }, http);
  assert.deepEqual(archive, ['[internal] load remote build context', 'copy /context /', '[1/1] COPY f /']);
});

test('buildDockerfile converts for each platform and warns once', async () => {
  const { gateway, warnings } = open(
    { Dockerfile: 'FROM a\nCMD x\n' },
    { platform: 'linux/amd64,linux/arm/v7' },
  );
  const { refs, platforms } = await buildDockerfile(gateway);
  assert.deepEqual(
    refs.map(({ platformId }) => platformId),
    ['linux/amd64', 'linux/arm/v7'],
  );
  assert.match(refs[1]?.imageConfig ?? '', /^\{"architecture":"arm","os":"linux","variant":"v7"/);
  assert.equal(JSON.parse(platforms).Platforms.length, 2);
  assert.deepEqual(
    warnings
      .filter(({ message }) => message.startsWith('JSONArgsRecommended'))
      .map(({ ranges }) => ranges[0]?.start.line),
    [2],
  );
});

test('buildDockerfile attaches the lines of the Dockerfile to an error', async () => {
  const { gateway } = open({ 'x/D': 'FROM a\nCOPY --from=$V b c\n' }, { filename: 'x/D' });
  await assert.rejects(buildDockerfile(gateway), (error) => {
    assert.ok(error instanceof FrontendError);
    assert.match(error.message, /variable expansion is not supported for --from/);
    return true;
  });
  const bad = open({ 'x/D': 'FROM a\nRUN --nope b\n' }, { filename: 'x/D' });
  await assert.rejects(buildDockerfile(bad.gateway), (error) => {
    assert.ok(error instanceof FrontendError);
    assert.deepEqual(
      error.sources.map(({ filename, ranges }) => [filename, ranges[0]?.start.line]),
      [['x/D', 2]],
    );
    return true;
  });
});

test('buildDockerfile uses itself for docker/dockerfile and refuses other frontends by name', async () => {
  const builtIn = open({ Dockerfile: '# syntax=docker/dockerfile:1\nFROM a\nRUN x\n' });
  assert.equal((await buildDockerfile(builtIn.gateway)).refs.length, 1);
  const foreign = open({ Dockerfile: '# syntax=example.com/other:1 opt\nFROM a\n' });
  await assert.rejects(buildDockerfile(foreign.gateway), (error) => {
    assert.ok(error instanceof FrontendError);
    assert.equal(error.code, 'UNSUPPORTED');
    assert.match(error.message, /example\.com\/other:1/);
    return true;
  });
  const forward = await detectForward(foreign.gateway);
  assert.deepEqual([forward?.source, forward?.cmdline], ['example.com/other:1', 'example.com/other:1 opt']);
});

test('buildDockerfile takes SOURCE_DATE_EPOCH from what the context resolves to', async () => {
  const { gateway } = open(
    { Dockerfile: 'FROM a\nENV B=1\n' },
    { context: 'https://example.com/r.git', 'build-arg:SOURCE_DATE_EPOCH': 'context' },
  );
  const sources: string[] = [];
  const { refs } = await buildDockerfile({
    ...gateway,
    async resolveSourceMetadata({ identifier }) {
      sources.push(identifier);
      return { commitTime: 1_000_000_000n };
    },
  });
  assert.deepEqual(sources, ['git://example.com/r.git']);
  assert.equal(refs[0]?.sourceDateEpoch, '1000000000');
  assert.match(refs[0]?.imageConfig ?? '', /"created":"2001-09-09T01:46:40Z","created_by":"ENV B=1"/);
  await assert.rejects(buildDockerfile(gateway), /SOURCE_DATE_EPOCH cannot be taken from git:/);
});

test('buildDockerfile says that a git context was the reason when its address is not UTF-8', async () => {
  const { gateway } = open({ Dockerfile: 'FROM a\n' }, { context: 'https://example.com/r.git#%ff' });
  await assert.rejects(buildDockerfile(gateway), {
    message: 'failed to derive git source op: string field contains invalid UTF-8',
  });
});

test('buildDockerfile builds on definitions that are handed over', async () => {
  const inner = await buildDockerfile(open({ Dockerfile: 'FROM a\nRUN inner\n' }).gateway);
  const definition = inner.refs[0]?.definition;
  assert.ok(definition !== undefined);
  const { gateway } = open({ Dockerfile: 'FROM base\nRUN outer\n' }, { 'context:base': 'input:base' });
  const { refs } = await buildDockerfile({ ...gateway, inputs: { base: definition } });
  const edge = refs[0]?.definition && loadDefinition(refs[0].definition);
  assert.match(edge?.vertex.name ?? '', /RUN outer$/);
  assert.equal(edge?.vertex.inputs[0]?.vertex.name, '[2/2] RUN inner');
});

test('lintDockerfile reports an error as part of the result and prints the lines of warnings', async () => {
  const { json, text } = await lintDockerfile(open({ Dockerfile: 'FROM a\nCMD x\nRUN --bad y\n' }).gateway);
  const result = JSON.parse(json) as { buildError: { message: string; location: unknown } };
  assert.match(result.buildError.message, /unknown flag: --bad/);
  assert.deepEqual(result.buildError.location, { ranges: [{ start: { line: 3 }, end: { line: 3 } }] });
  assert.equal(text, '');
  const warned = await lintDockerfile(open({ Dockerfile: 'FROM a\nCMD x\n' }).gateway);
  assert.match(warned.text, /^\nWARNING: JSONArgsRecommended - https:/);
  assert.match(warned.text, /Dockerfile:2\n-{20}\n {3}1 \| {5}FROM a\n {3}2 \| >>> CMD x\n/);
});

test('outlineDockerfile lists what the target can be given', async () => {
  const { text } = await outlineDockerfile(
    open({ Dockerfile: 'FROM a AS b\n# X an argument\nARG X=1\nRUN --mount=type=secret,id=s,required y\n' })
      .gateway,
  );
  assert.equal(
    text,
    'TARGET: b\n\nBUILD ARG   VALUE   DESCRIPTION\nX           1       an argument\n\n' +
      'SECRET   REQUIRED\ns        true\n\n',
  );
});

test('targetsDockerfile lists the stages as written', async () => {
  const { text } = await targetsDockerfile(open({ Dockerfile: '# b first\nFROM $X AS b\nFROM b\n' }).gateway);
  assert.equal(text, 'TARGET    DESCRIPTION\nb         first\n(default) \n');
});

test('buildDockerfile refuses an epoch that the image config cannot hold, wherever it was used', async () => {
  const { gateway } = open(
    { Dockerfile: 'FROM a\nENV B=1\n' },
    { 'build-arg:SOURCE_DATE_EPOCH': '253402300800' },
  );
  await assert.rejects(buildDockerfile(gateway), (error) => {
    assert.ok(error instanceof FrontendError);
    assert.match(error.message, /^failed to marshal image config: .*year outside of range \[0,9999\]$/);
    assert.deepEqual(error.sources, []);
    return true;
  });
});

test('buildDockerfile shows bytes that are not UTF-8 as U+FFFD and runs none', async () => {
  const wrong = open({ Dockerfile: 'FROM a\n\xffX y\n' });
  await assert.rejects(buildDockerfile(wrong.gateway), {
    message: 'dockerfile parse error on line 2: unknown instruction: \ufffdX',
  });
  const { gateway, warnings } = open({ Dockerfile: 'FROM a AS B\xff\nRUN x\n' });
  await assert.rejects(buildDockerfile(gateway), /invalid name for build stage/);
  assert.deepEqual(
    warnings.map(({ message }) => message),
    ["StageNameCasing: Stage name 'B\ufffd' should be lowercase (line 1)"],
  );
  const command = open({ Dockerfile: 'FROM a\nRUN echo \xff\n' });
  await assert.rejects(buildDockerfile(command.gateway), {
    message: 'failed to marshal LLB definition: string field contains invalid UTF-8',
  });
});
