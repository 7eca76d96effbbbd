/** Bad input of every kind: one clear message that names the place, a failing exit code, and an unharmed store. */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { startFaultProxy, type Fault, type FaultProxy } from '../servers/fault_proxy.ts';
import { useCairn, type Cairn } from './cairn.ts';
import { faultsOf, recordsOf } from './records.ts';

let registry: RegistryServer;
let proxy: FaultProxy;
let cairn: Cairn;
let project: string;

const GOOD = 'FROM busybox\nCOPY a /a\nRUN cat /a > /b\n';

before(async () => {
  registry = await startBaseImageRegistry();
  proxy = await startFaultProxy(registry.host);
  cairn = useCairn(proxy.host);
  project = join(cairn.directory, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'a'), 'a\n');
  writeFileSync(join(cairn.directory, 'outside'), 'outside\n');
  symlinkSync('../outside', join(project, 'link'));
  writeFileSync(join(project, 'Dockerfile'), GOOD);
  await cairn.build([project]);
});

after(async () => {
  cairn.remove();
  await proxy.stop();
  await registry.stop();
});

interface BadInput {
  what: string;
  /** Default: the good one. */
  dockerfile?: string;
  /** `PROJECT` and `DIR` stand for paths. Default: the project. */
  args?: string[];
  /** The message, after `ERROR: `. */
  error: RegExp;
  /** Dockerfile line that is shown as the place. */
  line?: number;
  /** False: the command line is at fault. */
  build?: boolean;
}

/** One message, the right prefix, no stack trace; whatever was in the store is there still. */
async function fails({ what, dockerfile = GOOD, args = ['PROJECT'], error, line, build = true }: BadInput) {
  writeFileSync(join(project, 'Dockerfile'), dockerfile);
  const records = recordsOf(cairn.store);
  const { code, stdout, stderr } = await cairn.run([
    'build',
    '--progress=plain',
    ...args.map((arg) => arg.replace('PROJECT', project).replace('DIR', cairn.directory)),
  ]);
  assert.notEqual(code, 0, what);
  assert.ok(code < 128, `${what}: exit code ${code}`);
  const messages = stderr.split('\n').filter((text) => /^(ERROR|error): /.test(text));
  assert.equal(messages.length, 1, `${what}:\n${stderr}`);
  const [message = ''] = messages;
  assert.match(message, error, `${what}:\n${stderr}`);
  assert.equal(message.startsWith('ERROR: failed to build: failed to solve: '), build, message);
  assert.doesNotMatch(`${stdout}${stderr}`, /^ +at .*\(?(node:|file:)/m, 'a stack trace');
  if (line !== undefined) {
    assert.match(stderr, new RegExp(`^Dockerfile:${line}$`, 'm'), stderr);
    assert.match(stderr, new RegExp(`^ +${line} \\| >>> `, 'm'), stderr);
  }
  const now = recordsOf(cairn.store);
  assert.deepEqual(
    [...records].filter((row) => !now.has(row)),
    [],
  );
  assert.deepEqual(faultsOf(cairn.store), []);
}

const CASES: BadInput[] = [
  {
    what: 'unknown instruction',
    dockerfile: 'FROM busybox\nRUNN true\n',
    error: /dockerfile parse error on line 2: unknown instruction: RUNN \(did you mean RUN\?\)$/,
    line: 2,
  },
  {
    what: 'unknown flag of an instruction',
    dockerfile: 'FROM busybox\nCOPY --form=x a /\n',
    error: /dockerfile parse error on line 2: unknown flag: --form \(did you mean from\?\)$/,
    line: 2,
  },
  {
    what: 'empty Dockerfile',
    dockerfile: '',
    error: /the Dockerfile cannot be empty$/,
  },
  {
    what: 'unknown stage in COPY --from',
    dockerfile: 'FROM busybox\nCOPY --from=biuld /a /\n',
    error: /failed to resolve source metadata for docker\.io\/library\/biuld:latest: .*not found$/,
    line: 2,
  },
  {
    what: 'unknown target',
    args: ['--target', 'nope', 'PROJECT'],
    error: /target stage "nope" could not be found$/,
  },
  {
    what: 'missing base image',
    dockerfile: 'FROM nosuchimage:1\n',
    error:
      /nosuchimage:1: failed to resolve source metadata for docker\.io\/library\/nosuchimage:1: .*not found$/,
    line: 1,
  },
  {
    what: 'a path through a file in COPY',
    dockerfile: 'FROM busybox\nCOPY a/b /x\n',
    error: /failed to compute cache key: failed to calculate checksum of ref \S+: "\/a\/b": not found$/,
    line: 2,
  },
  {
    what: 'missing file in COPY',
    dockerfile: 'FROM busybox\nCOPY missing /x\n',
    error: /failed to compute cache key: failed to calculate checksum of ref \S+: "\/missing": not found$/,
    line: 2,
  },
  {
    what: '.. in COPY stays in the context',
    dockerfile: 'FROM busybox\nRUN true\nCOPY ../outside /x\n',
    error: /failed to calculate checksum of ref \S+: "\/outside": not found$/,
    line: 3,
  },
  {
    what: 'a link that leads out of the context',
    dockerfile: 'FROM busybox\nCOPY link/ /x/\n',
    error: /"\/outside": not found$|"\/link": not found$/,
    line: 2,
  },
  {
    what: 'a step that fails',
    dockerfile: 'FROM busybox\nRUN echo to stderr >&2; exit 3\n',
    error: /process "\/bin\/sh -c echo to stderr >&2; exit 3" did not complete successfully: exit code: 3$/,
    line: 2,
  },
  {
    what: 'a program that is not there',
    dockerfile: 'FROM busybox\nRUN ["/nope"]\n',
    error: /process "\/nope" did not complete successfully: /,
    line: 2,
  },
  {
    what: 'a user that is not there',
    dockerfile: 'FROM busybox\nUSER nobody-here\nRUN true\n',
    error:
      /: process "\/bin\/sh -c true" did not complete successfully: unable to find user nobody-here: no matching entries in passwd file$/,
    line: 3,
  },
  {
    what: 'a secret that is required and not given',
    dockerfile: 'FROM busybox\nRUN --mount=type=secret,id=nope,required true\n',
    error: /secret nope: not found$/,
    line: 2,
  },
  {
    what: 'a checksum that does not fit',
    dockerfile: 'FROM busybox\nADD --checksum=sha256:0 http://127.0.0.1:1/x /\n',
    error: /invalid checksum digest|checksum/,
    line: 2,
  },
  {
    what: 'an entitlement that was not allowed',
    dockerfile: 'FROM busybox\nRUN --security=insecure true\n',
    error: /failed to solve: failed to load LLB: security\.insecure is not allowed$/,
    line: 2,
  },
  {
    what: 'no Dockerfile',
    args: ['-f', 'PROJECT/Nope', 'PROJECT'],
    error: /failed to read dockerfile: open Nope: no such file or directory$/,
  },
  {
    what: 'context not there',
    args: ['DIR/nope'],
    error: /unable to prepare context: path "\S+\/nope" not found$/,
    build: false,
  },
  {
    what: 'context is a file',
    args: ['PROJECT/a'],
    error: /unable to prepare context: path "\S+\/a" is a file, not a directory$/,
    build: false,
  },
  { what: 'no context', args: [], error: /'cairn build' requires 1 argument/, build: false },
  {
    what: 'unknown flag',
    args: ['--tga=x', 'PROJECT'],
    error: /unknown flag: --tga/,
    build: false,
  },
  {
    what: 'build-arg without a name',
    args: ['--build-arg', '=x', 'PROJECT'],
    error: /"=x" in --build-arg: empty key$/,
    build: false,
  },
  {
    what: 'label without a name',
    args: ['--label', '=x', 'PROJECT'],
    error: /"=x" in --label: empty key$/,
    build: false,
  },
  {
    what: 'a tag that is none',
    args: ['-t', 'A:B:C', 'PROJECT'],
    error: /invalid tag "A:B:C": /,
    build: false,
  },
  {
    what: 'unknown output type',
    args: ['-o', 'type=ocii', 'PROJECT'],
    error: /unknown output type "ocii"/,
    build: false,
  },
  {
    what: 'unknown output attribute',
    args: ['-o', 'type=oci,dest=DIR/x.tar,compresion=zstd', 'PROJECT'],
    error: /compresion/,
  },
  {
    what: 'push without a name',
    args: ['--push', 'PROJECT'],
    error: /tag is needed when pushing to registry$/,
    build: false,
  },
  {
    what: 'unknown progress',
    args: ['--progress=fancy', 'PROJECT'],
    error: /invalid progress mode fancy$/,
    build: false,
  },
  {
    what: 'a secret file that is not there',
    args: ['--secret', 'id=x,src=DIR/nope', 'PROJECT'],
    error: /failed to stat \S+\/nope of secret "x": no such file$/,
    build: false,
  },
  {
    what: 'unknown network',
    args: ['--network', 'bridge', 'PROJECT'],
    error: /network mode "bridge" not supported/,
    build: false,
  },
  { what: 'unknown platform', args: ['--platform', 'linux/', 'PROJECT'], error: /"linux\/"/, build: false },
  {
    what: 'attestations',
    args: ['--sbom=true', 'PROJECT'],
    error: /attestations are not supported/,
    build: false,
  },
  {
    what: 'build context not there',
    args: ['--build-context', 'x=DIR/nope', 'PROJECT'],
    error:
      /^ERROR: failed to build: failed to get build context x: stat \S+\/nope: no such file or directory$/m,
    build: false,
  },
  {
    what: 'build context that is a file',
    args: ['--build-context', 'x=PROJECT/Dockerfile', 'PROJECT'],
    error: /failed to get build context path \S+\/Dockerfile: not a directory$/m,
    build: false,
  },
  {
    what: 'build context without a value',
    args: ['--build-context', 'x', 'PROJECT'],
    error: /^ERROR: invalid context value: x, expected key=value$/m,
    build: false,
  },
  {
    what: 'two outputs on stdout',
    args: ['-o', '-', '-o', 'type=oci', 'PROJECT'],
    error: /multiple outputs configured to write to stdout$/,
    build: false,
  },
];

describe('bad input', () => {
  for (const bad of CASES) test(bad.what, () => fails(bad));

  test('says where a missing file is looked for', async () => {
    writeFileSync(join(project, 'Dockerfile'), 'FROM busybox\nCOPY missing /x\n');
    const { stderr } = await cairn.run(['build', project]);
    assert.match(stderr, /"\/missing": not found\n.*build context.*\.dockerignore/);
  });

  test('shows a stack trace with --debug', async () => {
    const { code, stderr } = await cairn.run(['--debug', 'build', join(cairn.directory, 'nope')]);
    assert.equal(code, 1);
    assert.match(stderr, /^ +at /m);
  });
});

describe('bad registries', () => {
  const manifest = /\/manifests\//;
  const blob = /\/blobs\//;
  const cases: { what: string; url: RegExp; fault: Fault; error: RegExp }[] = [
    {
      what: 'refuses to talk',
      url: manifest,
      fault: { kind: 'refuse' },
      error:
        /failed to resolve source metadata for docker\.io\/library\/alpine:3\.20: .*(socket hang up|EOF|closed|reset)/,
    },
    {
      what: 'refuses access',
      url: manifest,
      fault: { kind: 'answer', status: 403, body: '{"errors":[{"code":"DENIED","message":"no"}]}' },
      error: /alpine:3\.20: .*DENIED: no$/,
    },
    {
      what: 'has an error of its own',
      url: manifest,
      fault: { kind: 'answer', status: 400, body: '<html>' },
      error: /alpine:3\.20: .*400 Bad Request/,
    },
    {
      what: 'gives a manifest that is none',
      url: manifest,
      fault: {
        kind: 'answer',
        status: 200,
        headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
        body: '{}',
      },
      error: /alpine:3\.20/,
    },
    {
      what: 'lies about the digest of a manifest',
      url: manifest,
      fault: { kind: 'corrupt' },
      error: /alpine:3\.20: .*(digest|sha256)/,
    },
    {
      what: 'lies about the digest of a layer',
      url: blob,
      fault: { kind: 'corrupt' },
      error: /sha256:[0-9a-f]{64}/,
    },
    {
      what: 'sends a truncated layer',
      url: blob,
      fault: { kind: 'truncate', after: 20 },
      error: /sha256:[0-9a-f]{64}.*20/,
    },
  ];
  for (const { what, url, fault, error } of cases) {
    test(`a registry that ${what}`, async () => {
      proxy.fault = (request) => (request.method !== 'HEAD' && url.test(request.url) ? fault : undefined);
      try {
        await fails({ what, dockerfile: 'FROM alpine:3.20\nRUN true\n', error });
      } finally {
        proxy.fault = undefined;
      }
    });
  }

  test('the same build succeeds when the registry is well again', async () => {
    writeFileSync(join(project, 'Dockerfile'), 'FROM alpine:3.20\nRUN true\n');
    await cairn.build([project]);
    assert.deepEqual(faultsOf(cairn.store), []);
  });

  test('a registry that refuses what is pushed', async () => {
    proxy.fault = ({ method }) =>
      method === 'PUT'
        ? { kind: 'answer', status: 403, body: '{"errors":[{"code":"DENIED","message":"read only"}]}' }
        : undefined;
    try {
      await fails({
        what: 'push',
        args: ['--push', '-t', `${proxy.host}/x/y:1`, 'PROJECT'],
        error: /push access denied to .*: DENIED: read only$/,
      });
    } finally {
      proxy.fault = undefined;
    }
  });
});
