/** on-failure=, merge= and ignore-error= of `--cache-to`, which mean the same in every service. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import { startDockerRegistry, type RegistryServer } from '../servers/docker_registry.ts';
import { startFaultProxy, type FaultProxy } from '../servers/fault_proxy.ts';
import { buildImage, type BuildOptions } from './build.ts';
import { AZURITE, MOTO, type ObjectStorage } from './object_storage.ts';

const DOCKERFILE = 'FROM busybox\nRUN echo done > /first\n';

interface Service {
  type: string;
  skip: string | false;
  start: () => Promise<ObjectStorage>;
}

const REGISTRY: Service = {
  type: 'registry',
  skip: false,
  async start() {
    const server = await startDockerRegistry();
    // What object storage calls a name is a tag here.
    return { host: server.host, stop: () => server.stop(), attrs: () => ({}) };
  },
};

let images: RegistryServer;
before(async () => {
  images = await startBaseImageRegistry();
});
after(() => images.stop());

for (const { type, skip, start } of [REGISTRY, MOTO, AZURITE]) {
  describe(`options of --cache-to type=${type}`, { skip }, () => {
    let service: ObjectStorage;
    let proxy: FaultProxy;

    before(async () => {
      service = await start();
      proxy = await startFaultProxy(service.host);
    });
    after(async () => {
      await proxy.stop();
      await service.stop();
    });

    const entry = (name: string): string => {
      const place = type === 'registry' ? { ref: `${proxy.host}/options:${name}` } : { name };
      return Object.entries({ type, ...service.attrs(proxy.host), ...place })
        .map(([key, value]) => `${key}=${value}`)
        .join(',');
    };
    const build = (options: BuildOptions) =>
      buildImage(images.host, { ...options, flags: { output: ['type=cacheonly'], ...options.flags } });

    test('a failed build leaves what it finished under on-failure=true, and nothing otherwise', async () => {
      const failing = `${DOCKERFILE}RUN exit 7\n`;
      for (const [name, more, ran] of [
        ['kept', ',on-failure=true', 1],
        ['dropped', '', 2],
      ] as const) {
        const failed = await build({ dockerfile: failing, to: [`${entry(name)},mode=max${more}`] });
        assert.match(failed.error ?? '', /exit code: 7/);
        const fixed = await build({ dockerfile: failing.replace('exit 7', 'exit 0'), from: [entry(name)] });
        assert.equal(fixed.error, undefined);
        assert.equal(fixed.ran.length, ran);
      }
    });

    test('the failure of a build is told, whatever becomes of its export', async () => {
      proxy.fault = () => ({ kind: 'answer', status: 403, body: '' });
      try {
        const to = `${entry('refused')},mode=max,on-failure=true,ignore-error=false`;
        const failed = await build({ dockerfile: `${DOCKERFILE}RUN exit 7\n`, to: [to] });
        assert.match(failed.error ?? '', /exit code: 7/);
      } finally {
        proxy.fault = undefined;
      }
    });

    test('what several builds export under one name is united under merge=true', async () => {
      const targets = ['one', 'two'];
      const dockerfile = targets
        .map((each) => `FROM busybox AS ${each}\nRUN echo ${each} > /name\n`)
        .join('');
      const built = await Promise.all(
        targets.map((target) =>
          build({ dockerfile, to: [`${entry('united')},mode=max,merge=true`], flags: { target } }),
        ),
      );
      for (const { error, warnings } of built) {
        assert.equal(error, undefined);
        assert.deepEqual(warnings, []);
      }
      // Registries cannot write conditionally: who was overwritten at that moment unites again.
      if (type === 'registry')
        for (const target of targets)
          await build({ dockerfile, to: [`${entry('united')},mode=max,merge=true`], flags: { target } });
      for (const target of targets) {
        const found = await build({ dockerfile, from: [entry('united')], flags: { target } });
        assert.deepEqual(found.ran, [], target);
        assert.deepEqual(found.warnings, []);
      }
    });

    test('an export that fails is a warning, unless ignore-error=false', async () => {
      proxy.fault = () => ({ kind: 'answer', status: 403, body: '' });
      try {
        for (const more of ['', ',ignore-error=true']) {
          const built = await build({ dockerfile: DOCKERFILE, to: [`${entry('refused')}${more}`] });
          assert.equal(built.error, undefined);
          assert.equal(built.warnings.length, 1, built.warnings.join('\n'));
          assert.match(built.warnings[0] ?? '', new RegExp(`^cache ${type}:.*refused was not exported: .`));
        }
        const strict = await build({
          dockerfile: DOCKERFILE,
          to: [`${entry('refused')},ignore-error=false`],
        });
        assert.match(strict.error ?? '', new RegExp(`^cache ${type}:.*refused was not exported: .`));
      } finally {
        proxy.fault = undefined;
      }
    });
  });
}
