/** Builds as an ordinary user: the same projects as root's, and what is said where the machine does not allow it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { stepsRun, useCairn, type Cairn } from '../build/cairn.ts';
import { SHAPES, writeShape } from '../build/shapes.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { RegistryServer } from '../servers/docker_registry.ts';
import { cannotMakeUsers, makeAccount, type TestAccount } from './account.ts';

const skip = cannotMakeUsers();

describe('as an ordinary user with subordinate ids', { skip }, () => {
  let registry: RegistryServer;
  let account: TestAccount;
  let cairn: Cairn;

  before(async () => {
    registry = await startBaseImageRegistry();
    account = makeAccount({ subordinate: true });
    cairn = useCairn(registry.host, account);
  });
  after(async () => {
    cairn.remove();
    account.remove();
    await registry.stop();
  });

  const own = (directory: string) =>
    execFileSync('chown', ['-R', `${account.uid}:${account.gid}`, directory]);

  for (const shape of SHAPES) {
    test(`builds, pushes and rebuilds: ${shape.name}`, async () => {
      const name = shape.name.replaceAll(/\W+/g, '-').replaceAll(/^-|-$/g, '');
      const directory = join(cairn.directory, name);
      writeShape(shape, directory);
      own(directory);
      const image = `${registry.host}/rootless/${name}:1`;
      const flags = (shape.flags ?? []).map((flag) => flag.replace('DIR', directory));
      const args = ['--push', '-t', image, ...flags, directory];
      assert.ok(stepsRun(await cairn.build(args)).length > 0);
      assert.deepEqual(stepsRun(await cairn.build(args)), []);
      const config = execFileSync('skopeo', [
        'inspect',
        '--tls-verify=false',
        '--config',
        `docker://${image}`,
      ]);
      assert.ok(config.length > 0);
    });
  }

  test('files keep their owners, and local output belongs to the user', async () => {
    const directory = join(cairn.directory, 'owners');
    mkdirSync(directory);
    writeFileSync(
      join(directory, 'Dockerfile'),
      'FROM busybox\nRUN touch /a /b && chown 1000:33 /a && chown 60000:7 /b && stat -c %u:%g /a /b > /owners\n',
    );
    own(directory);
    const tar = join(directory, 'image.tar');
    await cairn.build(['-o', `type=tar,dest=${tar}`, '-o', `type=local,dest=${directory}/out`, directory]);
    const listed = execFileSync('tar', ['--numeric-owner', '-tvf', tar, 'a', 'b', 'bin/busybox'], {
      encoding: 'utf8',
    });
    assert.deepEqual(
      listed
        .trim()
        .split('\n')
        .map((line) => line.split(/ +/)[1]),
      ['1000/33', '60000/7', '0/0'],
    );
    assert.equal(readFileSync(join(directory, 'out/owners'), 'utf8'), '1000:33\n60000:7\n');
    const outside = execFileSync('stat', ['-c', '%u:%g', join(directory, 'out/owners')], {
      encoding: 'utf8',
    });
    assert.equal(outside.trim(), `${account.uid}:${account.gid}`);
  });

  test('a file that the user may not read is named', async () => {
    const directory = join(cairn.directory, 'unreadable');
    mkdirSync(directory);
    writeFileSync(join(directory, 'Dockerfile'), 'FROM busybox\nCOPY . /\n');
    own(directory);
    writeFileSync(join(directory, 'of-root'), 'x', { mode: 0o600 });
    const { code, stderr } = await cairn.run(['build', '--progress=plain', directory]);
    assert.equal(code, 1);
    assert.match(stderr, /^ERROR: failed to build: failed to solve: .*of-root.*permission denied/m);
    assert.doesNotMatch(stderr, /^ +at /m);
    chmodSync(join(directory, 'of-root'), 0o644);
    await cairn.build([directory]);
  });

  test('the store is below XDG_DATA_HOME, and prune empties it', async () => {
    const store = join(cairn.directory, 'cairn');
    assert.ok(existsSync(join(store, 'cairn.db')));
    const { code, stderr } = await cairn.run(['prune', '--all', '--force']);
    assert.equal(code, 0, stderr);
    const snapshots = readdirSync(join(store, 'snapshots')).filter((format) => format !== 'empty');
    assert.deepEqual(
      snapshots.flatMap((format) => readdirSync(join(store, 'snapshots', format))),
      [],
    );
  });
});

describe('as an ordinary user without subordinate ids', { skip }, () => {
  let account: TestAccount;
  let cairn: Cairn;

  before(() => {
    account = makeAccount({ subordinate: false });
    cairn = useCairn(undefined, account);
    writeFileSync(join(cairn.directory, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
  });
  after(() => {
    cairn.remove();
    account.remove();
    rmSync(account.home, { recursive: true, force: true });
  });

  test('a build says what is missing and how to add it', async () => {
    const { code, stderr } = await cairn.run(['build', cairn.directory]);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `ERROR: cannot build as an ordinary user: /etc/subuid has no line for ${account.name}\n` +
        `As root: usermod --add-subuids 100000-165535 ${account.name} (a range that nobody else has).\n`,
    );
  });

  test('a Dockerfile can be checked all the same', async () => {
    const { code, stdout, stderr } = await cairn.run(['build', '--check', cairn.directory]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /no warnings found/);
  });

  test('help needs nothing', async () => {
    assert.equal((await cairn.run(['build', '--help'])).code, 0);
  });
});
