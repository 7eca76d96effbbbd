/** The keys of every source op in the conformance data, computed against real servers. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import type { Digest } from '../../src/content/contract.ts';
import { digestOf } from '../../src/content/digest.ts';
import { OpSchema } from '../../src/llb/gen/ops_pb.js';
import { sourceCacheMap } from '../../src/ops/source.ts';
import { parseNamed } from '../../src/registry/reference.ts';
import type { SourceKey } from '../../src/sources/contract.ts';
import { registryImage } from '../../src/sources/registry_image.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { startFaultProxy, type FaultProxy } from '../servers/fault_proxy.ts';
import { startGitDaemon, type GitServer } from '../servers/git_daemon.ts';
import { startWww, type WwwServer } from '../servers/www.ts';
import { openParts, type Parts } from './parts.ts';

const DATA = resolve(import.meta.dirname, '../conformance');

interface GoldenKey {
  digest: string;
  index: number;
  done: boolean;
  preimage?: { text?: string };
}
interface GoldenRef {
  vertices?: { digest: string; cacheMaps?: GoldenKey[] }[];
}
interface CaseRef {
  definition: { ops: { digest: string; raw: string }[] };
}

let registry: RegistryServer;
let proxy: FaultProxy;
let git: GitServer;
let www: WwwServer;
let parts: Parts;

before(async () => {
  registry = await startBaseImageRegistry();
  proxy = await startFaultProxy(registry.host);
  git = await startGitDaemon();
  www = await startWww();
  parts = openParts({ mirror: proxy.host });
});
after(async () => {
  await parts.close();
  await www.stop();
  await git.stop();
  await proxy.stop();
  await registry.stop();
});

function readJson(...path: string[]): unknown {
  return JSON.parse(readFileSync(resolve(DATA, ...path), 'utf8'));
}

test('sources give the keys of every golden case', async () => {
  let compared = 0;
  for (const file of readdirSync(resolve(DATA, 'cachemaps'))) {
    const name = file.replace(/\.json$/, '');
    const golden = readJson('cachemaps', file) as { refs: GoldenRef[] };
    const { result } = readJson('llb', 'cases', name, 'expected.json') as { result: { refs: CaseRef[] } };
    const sources = parts.build();
    for (const [index, ref] of golden.refs.entries()) {
      const ops = new Map(result.refs[index]?.definition.ops.map((op) => [op.digest, op.raw]));
      for (const vertex of ref.vertices ?? []) {
        const op = fromBinary(OpSchema, Buffer.from(ops.get(vertex.digest) ?? '', 'base64'));
        if (op.op.case !== 'source' || op.op.value.identifier.startsWith('local://')) continue;
        const source = sources(op.op.value.identifier, op.op.value.attrs, op.platform);
        for (const expected of vertex.cacheMaps ?? []) {
          const { key, done }: SourceKey = await source.key(expected.index, parts.context);
          const what: string = `${name}: ${op.op.value.identifier}`;
          assert.equal(`buildkit.source.v0:${key}`, expected.preimage?.text, what);
          assert.equal(sourceCacheMap(key, false).digest, expected.digest, what);
          assert.equal(done, expected.done, what);
          compared++;
        }
      }
    }
  }
  assert.ok(compared > 150, `only ${compared} keys were compared`);
});

test('resolving images reads no layer', () => {
  const blobs = proxy.requests.filter(({ method, url }) => method === 'GET' && url.includes('/blobs/'));
  const images = readJson('base-images', 'images.json') as {
    images: { platforms: { layers: string[] }[] }[];
  };
  const layers = images.images.flatMap((image) => image.platforms.flatMap((platform) => platform.layers));
  assert.ok(blobs.length > 0);
  assert.deepEqual(
    blobs.filter(({ url }) => layers.some((layer) => url.includes(layer))),
    [],
  );
});

test('a digest that is known is not asked for again, a tag once a build', async () => {
  const first = parts.build();
  const image = await first.resolveImage('busybox', {}, parts.context);
  const start = proxy.requests.length;
  await first.resolveImage('docker.io/library/busybox:latest', {}, parts.context);
  const pinned = `busybox:latest@${image.digest}`;
  await parts.build().resolveImage(pinned, {}, parts.context);
  assert.equal(proxy.requests.length, start);
  await parts.build().resolveImage('busybox', {}, parts.context);
  assert.equal(proxy.requests.length, start + 1);
});

test('a document that another process collects while it is looked up is fetched again', async () => {
  const { content } = parts.services;
  // What `cairn prune` or the end of another build may do at any moment.
  let collections = 0;
  const collecting = new Proxy(content, {
    get(target, name) {
      if (name === 'readSound') {
        return (digest: Digest, limit: number) => {
          if (target.info(digest) !== undefined) collections++;
          target.delete(digest);
          return target.readSound(digest, limit);
        };
      }
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  const place = registryImage(parseNamed('busybox'), parts.services.registry, collecting);
  const descriptor = await place.resolve(parts.context.signal);
  const bytes = await place.document(descriptor, parts.context.signal);
  assert.equal(digestOf(bytes), descriptor.digest);
  assert.equal(collections, 1);
});

test('resolveImage says in BuildKit words what is missing', async () => {
  const build = parts.build();
  await assert.rejects(
    build.resolveImage('docker.io/library/0:latest', {}, parts.context),
    /^CairnError: failed to resolve source metadata for docker.io\/library\/0:latest: docker.io\/library\/0:latest: not found$/,
  );
  const { parsePlatform } = await import('../../src/llb/platform.ts');
  await assert.rejects(
    build.resolveImage('multi', { platform: parsePlatform('linux/s390x') }, parts.context),
    /failed to resolve source metadata for docker.io\/library\/multi:latest: no match for platform in manifest: not found$/,
  );
});
