/** The files that sources give: git checkouts, downloads, image layers, OCI layouts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { parsePlatform } from '../../src/llb/platform.ts';
import type { Snapshot } from '../../src/snapshots/contract.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { startFaultProxy, type FaultProxy } from '../servers/fault_proxy.ts';
import { startGitDaemon, type GitServer } from '../servers/git_daemon.ts';
import { startWww } from '../servers/www.ts';
import { openParts, type Parts, type PartsOptions } from './parts.ts';

const LAYOUT = resolve(import.meta.dirname, '../conformance/base-images/layout');
const COMMIT = 'e4eb40e2c19d6f2972d3a6fc6472dd5a75e6ca8f';

let git: GitServer;
let address: string;
before(async () => {
  git = await startGitDaemon({ port: 0 });
  address = git.url.replace('git://', '');
});
after(() => git.stop());

async function withParts(options: PartsOptions, use: (parts: Parts) => Promise<void>): Promise<void> {
  const parts = openParts(options);
  try {
    await use(parts);
  } finally {
    await parts.close();
  }
}

/** The files of a git source of app.git. */
async function checkOut(
  parts: Parts,
  fragment: string,
  attrs: Record<string, string> = {},
  repository = 'app.git',
): Promise<{ key: string; dir: string }> {
  const source = parts.build()(
    `git://${address}/${repository}${fragment}`,
    { 'git.fullurl': `${git.url}/${repository}`, ...attrs },
    undefined,
  );
  const { key } = await source.key(0, parts.context);
  return { key, dir: await parts.files(await source.snapshot(parts.context)) };
}

function inRepository(...args: string[]): string {
  return execFileSync('git', ['-C', join(git.root, 'app.git'), ...args], { encoding: 'utf8' }).trim();
}

test('git gives the files of branch, tag and commit, without a repository', () =>
  withParts({}, async (parts) => {
    const names = inRepository('ls-tree', '--name-only', 'HEAD').split('\n').sort();
    for (const fragment of ['', '#main', '#v1', `#${COMMIT}`, '#refs/heads/main']) {
      const { key, dir } = await checkOut(parts, fragment);
      assert.equal(key, COMMIT);
      assert.deepEqual(readdirSync(dir).sort(), names);
    }
  }));

test('git modes and owners are those of a checkout with umask 022', () =>
  withParts({}, async (parts) => {
    const old = process.umask(0o077);
    try {
      const { dir } = await checkOut(parts, '#main');
      const lines = inRepository('ls-tree', '-r', 'HEAD').split('\n');
      for (const line of lines) {
        const [mode = '', , , name = ''] = line.split(/\s+/);
        const stat = statSync(join(dir, name));
        assert.equal(stat.mode & 0o777, mode === '100755' ? 0o755 : 0o644, name);
        assert.equal(`${stat.uid}:${stat.gid}`, '0:0');
      }
    } finally {
      process.umask(old);
    }
  }));

test('git with a subdirectory gives what is below it, and refuses one that is none', () =>
  withParts({}, async (parts) => {
    const { key, dir } = await checkOut(parts, '#main:sub');
    assert.equal(key, `${COMMIT}:sub`);
    assert.deepEqual(
      readdirSync(dir).sort(),
      inRepository('ls-tree', '--name-only', 'HEAD:sub').split('\n').sort(),
    );
    await assert.rejects(checkOut(parts, '#main:nope'), /invalid subdir nope: failed to lstat/);
    const file = inRepository('ls-tree', '-r', '--name-only', 'HEAD').split('\n')[0] ?? '';
    await assert.rejects(checkOut(parts, `#main:${file}`), /contains non-directory/);
  }));

test('git with keepgitdir gives a repository with the commit and a clean origin', () =>
  withParts({}, async (parts) => {
    const { key, dir } = await checkOut(parts, '#main', { 'git.keepgitdir': 'true' });
    assert.equal(key, `${COMMIT}.git#refs/heads/main`);
    const run = (...args: string[]): string =>
      execFileSync('git', ['-c', 'safe.directory=*', '-C', dir, ...args], { encoding: 'utf8' }).trim();
    assert.equal(run('rev-parse', 'HEAD'), COMMIT);
    assert.equal(run('remote', 'get-url', 'origin'), `${git.url}/app.git`);
    assert.equal(run('status', '--porcelain'), '');
    assert.equal(existsSync(join(dir, '.git', 'FETCH_HEAD')), false);
  }));

test('git resolves annotated tags to their commit, follows a branch that moved, and checks checksums', async () => {
  const work = mkdtempSync(join(tmpdir(), 'cairn-git-work-'));
  const run = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-C', work, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  execFileSync('git', ['clone', '-q', '--bare', join(git.root, 'app.git'), join(git.root, 'moving.git')]);
  execFileSync('git', ['clone', '-q', join(git.root, 'moving.git'), work]);
  try {
    await withParts({}, async (parts) => {
      run('tag', '-a', '-m', 'annotated', 'v2');
      run('push', '-q', 'origin', 'v2');
      const tagged = await checkOut(parts, '#v2', {}, 'moving.git');
      assert.equal(tagged.key, COMMIT);
      writeFileSync(join(work, 'new-file'), 'new');
      run('add', '.');
      run('commit', '-q', '-m', 'more', '--date=2024-01-02T03:04:05Z');
      assert.equal((await checkOut(parts, '#main', {}, 'moving.git')).key, COMMIT);
      run('push', '-q', 'origin', 'main');
      run('tag', '-a', '-f', '-m', 'moved', 'v2');
      run('push', '-q', '-f', 'origin', 'v2');
      const moved = run('rev-parse', 'HEAD');
      for (const fragment of ['#main', '#v2']) {
        const { key, dir } = await checkOut(parts, fragment, {}, 'moving.git');
        assert.equal(key, moved);
        assert.equal(readFileSync(join(dir, 'new-file'), 'utf8'), 'new');
      }
      const checked = await checkOut(parts, '#v2', { 'git.checksum': moved.slice(0, 12) }, 'moving.git');
      assert.equal(checked.key, moved);
      await assert.rejects(
        checkOut(parts, '#main', { 'git.checksum': 'abcdef' }, 'moving.git'),
        /expected checksum to match abcdef, got /,
      );
      const time = Number(run('log', '-1', '--format=%ct'));
      const timed = await checkOut(parts, '#main', { 'git.mtime': 'commit' }, 'moving.git');
      assert.equal(timed.key, `${moved}(mtime=commit)`);
      assert.equal(statSync(join(timed.dir, 'new-file')).mtimeMs, time * 1000);
      const metadata = await parts
        .build()
        .resolveMetadata({ identifier: `git://${git.url}/moving.git#main`, attrs: {} }, parts.context);
      assert.equal(metadata.commitTime, BigInt(time));
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});

test('git fills submodules, unless that is skipped', async () => {
  const work = mkdtempSync(join(tmpdir(), 'cairn-git-sub-'));
  const bare = join(git.root, 'outer.git');
  const run = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-C', work, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    run('init', '-q', '-b', 'main');
    run('submodule', 'add', '-q', `${git.url}/app.git`, 'inner');
    run('commit', '-q', '-m', 'outer');
    execFileSync('git', ['clone', '-q', '--bare', work, bare]);
    await withParts({}, async (parts) => {
      const filled = await checkOut(parts, '#main', {}, 'outer.git');
      assert.ok(readdirSync(join(filled.dir, 'inner')).includes('sub'));
      const skipped = await checkOut(parts, '#main', { 'git.skipsubmodules': 'true' }, 'outer.git');
      assert.deepEqual(readdirSync(join(skipped.dir, 'inner')), []);
      assert.equal(skipped.key, `${filled.key}(skip-submodules)`);
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});

test('git checks out once for builds at the same time and for later ones', () =>
  withParts({}, async (parts) => {
    const both = await Promise.all([checkOut(parts, '#main'), checkOut(parts, '#main')]);
    assert.equal(both[0].dir, both[1].dir);
    const before = parts.log();
    assert.equal((await checkOut(parts, '#main')).dir, both[0].dir);
    // ls-remote prints one line; a fetch would print more.
    assert.equal(parts.log().slice(before.length).trim().split('\n').length, 1);
  }));

test('git says what is wrong with remote and reference', () =>
  withParts({}, async (parts) => {
    await assert.rejects(checkOut(parts, '#nope'), /repository does not contain ref nope, output: ""/);
    await assert.rejects(
      checkOut(parts, '#main', {}, 'none.git'),
      /failed to fetch remote git:\/\/.*git stderr:/s,
    );
    await assert.rejects(checkOut(parts, '#main', { 'git.bundle': 'x' }), { code: 'UNSUPPORTED' });
    await assert.rejects(checkOut(parts, '#main', { 'git.mountsshsock': 'key' }), {
      message: 'no SSH key "key" forwarded from the client',
    });
    assert.throws(() => parts.build()('ftp://x', {}, undefined), { code: 'UNSUPPORTED' });
  }));

test('git hands tokens to the program and shows them nowhere', async () => {
  const { createServer } = await import('node:http');
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(String(request.headers.authorization));
    response.writeHead(403).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  try {
    await withParts({ secrets: { GIT_AUTH_TOKEN: 'the-token-1' } }, async (parts) => {
      const source = parts.build()(
        `git://127.0.0.1:${port}/r.git#main`,
        { 'git.fullurl': `http://127.0.0.1:${port}/r.git`, 'git.authtokensecret': 'GIT_AUTH_TOKEN' },
        undefined,
      );
      const header = `basic ${Buffer.from('x-access-token:the-token-1').toString('base64')}`;
      await assert.rejects(source.key(0, parts.context), (error: Error) => !error.message.includes(header));
      assert.equal(seen[0], header);
      assert.equal(parts.log().includes('the-token-1'), false);
    });
  } finally {
    server.close();
  }
});

test('http gives one file with mode, owner and time', async () => {
  const www = await startWww({ port: 0 });
  try {
    await withParts({}, async (parts) => {
      const attrs = { 'http.perm': '0750', 'http.uid': '3', 'http.gid': '4', 'http.filename': 'given' };
      const source = parts.build()(`${www.url}/file.txt`, attrs, undefined);
      await source.key(0, parts.context);
      const dir = await parts.files(await source.snapshot(parts.context));
      assert.deepEqual(readdirSync(dir), ['given']);
      const stat = statSync(join(dir, 'given'));
      assert.equal(stat.mode & 0o7777, 0o750);
      assert.equal(`${stat.uid}:${stat.gid}`, '3:4');
      assert.equal(stat.mtimeMs, 1_700_000_000_000);
      const plain = parts.build()(`${www.url}/file.txt`, {}, undefined);
      const files = await parts.files(await plain.snapshot(parts.context));
      assert.equal(statSync(join(files, 'file.txt')).mode & 0o7777, 0o600);
      // Key and files of one source take one request.
      assert.equal(www.requests.length, 2);
      // Without an ETag it is read again in a new build, but not kept twice.
      const again = parts.build()(`${www.url}/file.txt`, {}, undefined);
      assert.equal(await parts.files(await again.snapshot(parts.context)), files);
      assert.equal(parts.snapshots.usage().length, 2);
    });
  } finally {
    await www.stop();
  }
});

test('http takes what is here when the ETag says that it is the same', async () => {
  const www = await startWww({ port: 0, etag: '"one"' });
  try {
    await withParts({}, async (parts) => {
      const get = async (): Promise<{ key: string; dir: string }> => {
        const source = parts.build()(`${www.url}/file.txt`, {}, undefined);
        const { key } = await source.key(0, parts.context);
        return { key, dir: await parts.files(await source.snapshot(parts.context)) };
      };
      const first = await get();
      assert.deepEqual(await get(), first);
      assert.deepEqual(www.requests, ['GET /file.txt', 'HEAD /file.txt']);
    });
  } finally {
    await www.stop();
  }
});

test('http refuses wrong checksums and bad answers, and redirects end', async () => {
  const www = await startWww({ port: 0 });
  const proxy = await startFaultProxy(www.url.replace('http://', ''));
  try {
    await withParts({}, async (parts) => {
      const get = (path: string, attrs: Record<string, string> = {}) =>
        parts.build()(`http://${proxy.host}/${path}`, attrs, undefined).snapshot(parts.context);
      const checksum = `sha256:${'0'.repeat(64)}`;
      await assert.rejects(
        get('file.txt', { 'http.checksum': checksum }),
        /^CairnError: digest mismatch sha256:/,
      );
      await assert.rejects(get('none'), { message: 'invalid response status 404' });
      proxy.fault = () => ({ kind: 'answer', status: 302, headers: { location: '/again' } });
      await assert.rejects(get('file.txt'), /stopped after 10 redirects/);
      proxy.fault = ({ url }) =>
        url === '/a' ? { kind: 'answer', status: 301, headers: { location: '/file.txt' } } : undefined;
      assert.deepEqual(readdirSync(await parts.files(await get('a'))), ['a']);
      proxy.fault = () => ({ kind: 'reset', after: 3 });
      await assert.rejects(get('file.txt'), { code: 'UNAVAILABLE' });
      assert.equal(parts.snapshots.usage().length, 1);
      await assert.rejects(parts.build()('http://127.0.0.1:1/x', {}, undefined).key(0, parts.context), {
        message: 'Get "http://127.0.0.1:1/x": dial tcp 127.0.0.1:1: connect: connection refused',
      });
    });
  } finally {
    await proxy.stop();
    await www.stop();
  }
});

test('local gives the directory in place and refuses what is not there', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-local-'));
  writeFileSync(join(dir, 'file'), '');
  symlinkSync('file', join(dir, 'link'));
  try {
    const directories = { context: dir, gone: join(dir, 'gone'), file: join(dir, 'file') };
    await withParts({ directories }, async (parts) => {
      const build = parts.build();
      const source = build('local://context', { 'local.excludepatterns': '["a","!b"]' }, undefined);
      const { key, volatile } = await source.key(0, parts.context);
      assert.equal(volatile, true);
      assert.match(key, /^session:context:sha256:/);
      const tree = await source.snapshot(parts.context);
      assert.ok(tree.kind === 'host');
      assert.equal(tree.root, dir);
      assert.deepEqual(tree.excludePatterns, ['a', '!b']);
      const all = await build('local://context', {}, undefined).key(0, parts.context);
      assert.notEqual(all.key, key);
      const give = (name: string) => build(`local://${name}`, {}, undefined).snapshot(parts.context);
      await assert.rejects(give('gone'), /does not exist/);
      await assert.rejects(give('file'), /is not a directory/);
      await assert.rejects(give('other'), { code: 'NOT_FOUND' });
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('oci-layout gives the key of the registry and the files of the layout', () =>
  withParts({ layouts: { base: LAYOUT } }, async (parts) => {
    const index = JSON.parse(readFileSync(join(LAYOUT, 'index.json'), 'utf8')) as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    const busybox = index.manifests[0];
    const platform = parsePlatform('linux/amd64');
    const attrs = { 'oci.store': 'base' };
    const source = parts.build()(`oci-layout://x@${busybox?.digest}`, attrs, platform);
    const { key } = await source.key(0, parts.context);
    assert.equal(key, 'sha256:90159d8eb98088d0b217bc53cb0377d766e8b5c266a152c11cfb59b98245b9bd');
    const snapshot = (await source.snapshot(parts.context)) as Snapshot;
    assert.equal(snapshot.layers.length, 1);
    assert.ok(readdirSync(await parts.files(snapshot)).includes('bin'));
    const tagged = parts.build()('oci-layout://x:1.37', attrs, platform);
    assert.equal((await tagged.key(0, parts.context)).pin, index.manifests[2]?.digest);
    await assert.rejects(
      parts
        .build()(`oci-layout://x@${busybox?.digest}`, { 'oci.store': 'mystore' }, platform)
        .key(0, parts.context),
      { message: 'unable to get info about digest: unknown store oci:mystore: not found' },
    );
  }));

test('an image is downloaded when its files are needed, and not twice', async () => {
  const registry: RegistryServer = await startBaseImageRegistry();
  const proxy: FaultProxy = await startFaultProxy(registry.host);
  try {
    await withParts({ mirror: proxy.host }, async (parts) => {
      const blobs = (): number =>
        proxy.requests.filter((r) => r.method === 'GET' && r.url.includes('/blobs/')).length;
      const platform = parsePlatform('linux/amd64');
      const source = parts.build()('docker-image://docker.io/library/alpine:3.20', {}, platform);
      const snapshot = (await source.snapshot(parts.context)) as Snapshot;
      assert.equal(snapshot.layers.length, 2);
      assert.equal(blobs(), 1);
      await parts.snapshots.view(snapshot);
      assert.equal(blobs(), 3);
      const again = parts.build()('docker-image://docker.io/library/alpine:3.20', {}, platform);
      await parts.snapshots.view((await again.snapshot(parts.context)) as Snapshot);
      assert.equal(blobs(), 3);
      const remote = await parts.snapshots.remote(snapshot, { type: 'gzip' }, { existingOnly: true });
      assert.equal(
        remote?.descriptors[0]?.annotations?.['containerd.io/distribution.source.docker.io'],
        'library/alpine',
      );
    });
  } finally {
    await proxy.stop();
    await registry.stop();
  }
});
