/** Whole builds with caches in object storage, each from an empty store. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { stepsHit, stepsRun, useCairn, type Cairn } from '../build/cairn.ts';
import { EDITED, editProject, STEPS, writeProject } from '../interop/project.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { startFaultProxy, type FaultProxy } from '../servers/fault_proxy.ts';
import { AZURITE, MOTO, type ObjectStorage } from './object_storage.ts';

for (const { type, skip, start } of [MOTO, AZURITE]) {
  describe(`builds with caches in ${type}`, { skip }, () => {
    let registry: RegistryServer;
    let storage: ObjectStorage;
    let proxy: FaultProxy;
    let used: Cairn[];
    let project: string;
    let name: string;
    before(async () => {
      registry = await startBaseImageRegistry();
      storage = await start();
      proxy = await startFaultProxy(storage.host);
    });
    after(async () => {
      await proxy.stop();
      await storage.stop();
      await registry.stop();
    });
    beforeEach(() => {
      used = [];
      project = join(fresh().directory, 'project');
      writeProject(project);
      name = randomUUID();
      proxy.fault = undefined;
      proxy.requests.length = 0;
    });
    afterEach(() => {
      for (const cairn of used) cairn.remove();
    });

    /** A cairn that has built nothing yet. */
    function fresh(): Cairn {
      const cairn = useCairn(registry.host);
      used.push(cairn);
      return cairn;
    }
    const entry = (more: Record<string, string> = {}): string =>
      Object.entries({ type, ...storage.attrs(proxy.host), name, ...more })
        .map(([key, value]) => `${key}=${value}`)
        .join(',');
    const exported = (cairn = fresh(), more: Record<string, string> = {}) =>
      cairn.build([project, '--cache-to', entry({ mode: 'max', ...more })]);

    test('every step is a hit in an empty store, for one request', async () => {
      assert.equal(stepsRun(await exported()).length, STEPS.length);
      proxy.requests.length = 0;
      const steps = await fresh().build([project, '--cache-from', entry()]);
      assert.deepEqual(stepsRun(steps), []);
      assert.equal(stepsHit(steps).length, STEPS.length);
      assert.equal(proxy.requests.length, 1);
    });

    test('an export of what is there already makes two requests', async () => {
      const cairn = fresh();
      await exported(cairn);
      proxy.requests.length = 0;
      await exported(cairn);
      assert.deepEqual(proxy.requests.map(({ method }) => method).toSorted(), ['GET', 'HEAD']);
    });

    test('an export writes a layer that is gone, though the manifest is the same', async () => {
      const cairn = fresh();
      await exported(cairn);
      proxy.requests.length = 0;
      let gone: string | undefined;
      proxy.fault = ({ method, url }) => {
        if (/list-type=2|comp=list/.test(url)) return { kind: 'answer', status: 403, body: '' };
        const blob = /sha256(?:%3A|:)[0-9a-f]{64}/.exec(url)?.[0];
        if (method !== 'HEAD' || blob === undefined) return undefined;
        gone ??= blob;
        return blob === gone ? { kind: 'answer', status: 404 } : undefined;
      };
      await exported(cairn);
      const written = proxy.requests.filter(({ method }) => method === 'PUT').map(({ url }) => url);
      assert.equal(written.length, 1);
      assert.ok(gone !== undefined && written[0]?.includes(gone));
    });

    test('a cache that cannot be read costs a warning', async () => {
      await exported();
      for (const status of [403, 500]) {
        proxy.fault = () => ({ kind: 'answer', status, body: '' });
        const outcome = await fresh().run(['build', '--progress=plain', project, '--cache-from', entry()]);
        assert.equal(outcome.code, 0, outcome.stderr);
        assert.match(outcome.stderr, new RegExp(`${name}.*HTTP ${status}`));
      }
    });

    test('a layer that is gone or damaged is built again, and the result is the same', async () => {
      await exported();
      editProject(project, 'edited');
      for (const kind of ['answer', 'corrupt'] as const) {
        let spoiled: string | undefined;
        proxy.fault = ({ method, url }) => {
          const blob = /sha256(?:%3A|:)[0-9a-f]{64}/.exec(url)?.[0];
          if (method !== 'GET' || blob === undefined || url.includes('list')) return undefined;
          spoiled ??= blob;
          if (blob !== spoiled) return undefined;
          return kind === 'answer' ? { kind, status: 404, body: '' } : { kind };
        };
        const cairn = fresh();
        const out = join(cairn.directory, 'out');
        const output = ['--output', `type=local,dest=${out}`];
        const steps = await cairn.build([project, '--cache-from', entry(), ...output]);
        assert.ok(spoiled !== undefined);
        assert.ok(stepsRun(steps).length > EDITED.length);
        assert.ok(stepsHit(steps).length > 0);
        assert.equal(readFileSync(join(out, 'result'), 'utf8'), 'src/a.txt\nsrc/b.txt\nlink.txt\nedited\n');
      }
    });

    test('an export that fails is a warning, and an error for who wants it', async () => {
      proxy.fault = ({ method }) =>
        method === 'PUT' ? { kind: 'answer', status: 403, body: '' } : undefined;
      const flags = ['build', '--progress=plain', project, '--cache-to'];
      const lenient = await fresh().run([...flags, entry({ mode: 'max' })]);
      assert.equal(lenient.code, 0);
      assert.match(lenient.stderr, /was not exported/);
      const strict = await fresh().run([...flags, entry({ mode: 'max', 'ignore-error': 'false' })]);
      assert.equal(strict.code, 1);
    });

    test('a cache with several names is found by each, and among others', async () => {
      const names = [randomUUID(), randomUUID()];
      await exported(fresh(), { name: names.join(';') });
      for (const each of [names[0] ?? '', `${randomUUID()};${names[1]}`]) {
        const steps = await fresh().build([project, '--cache-from', entry({ name: each })]);
        assert.deepEqual(stepsRun(steps), [], each);
      }
    });

    test('a key is in no output', async () => {
      const { secret_access_key: key = '' } = storage.attrs('');
      proxy.fault = () => ({ kind: 'answer', status: 403, body: '' });
      const outcome = await fresh().run([
        'build',
        '--progress=rawjson',
        '--debug',
        project,
        '--cache-from',
        entry(),
      ]);
      assert.ok(key.length > 10);
      assert.ok(!`${outcome.stdout}${outcome.stderr}`.includes(key));
    });
  });
}
