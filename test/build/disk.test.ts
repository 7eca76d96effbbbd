/** A store that is full, unwritable, damaged or of another version; layers that try to leave their root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  closeSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { stepsRun } from './cairn.ts';
import { cairnAndRegistry } from './cairn_and_registry.ts';
import { faultsOf, recordsOf } from './records.ts';

const { cairn, registry } = await cairnAndRegistry();

const KIB = 1024;
const MIB = 1024 * KIB;

let project: string;

before(async () => {
  project = join(cairn.directory, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'context.bin'), randomBytes(2 * MIB));
  writeFileSync(
    join(project, 'Dockerfile'),
    'FROM busybox\nCOPY context.bin /\nRUN cat context.bin context.bin > /twice\nRUN --mount=type=cache,target=/c cp context.bin /c/\n',
  );
});

const build = (name: string) =>
  cairn.run(['build', '--progress=plain', '--push', '-t', `${registry.host}/disk/${name}:1`, project]);

const oneMessage = (stderr: string): string => {
  const messages = stderr.split('\n').filter((line) => line.startsWith('ERROR: '));
  assert.equal(messages.length, 1, stderr);
  assert.doesNotMatch(stderr, /^ +at .*\(?(node:|file:)/m, 'a stack trace');
  return messages[0] ?? '';
};

describe(
  'a full disk',
  { skip: process.geteuid?.() === 0 ? false : 'needs root to mount a small disk' },
  () => {
    before(() => mkdirSync(cairn.store));
    const mount = (options: string) =>
      execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'cairn-test-disk', cairn.store]);
    const unmount = () => execFileSync('umount', [cairn.store]);

    let failures = 0;
    for (const size of [64, 256, 512, 1024, 2048, 3072, 4608, 6144, 7680, 9216, 11_264, 13_312]) {
      test(`of ${size} KiB is named, and the store is good when there is space`, async () => {
        mount(`size=${size}k`);
        try {
          const first = await build(String(size));
          if (first.code !== 0) {
            failures++;
            assert.equal(first.code, 1, first.stderr);
            oneMessage(first.stderr);
            assert.match(
              first.stderr,
              /^The disk (of the store .* has no space left|is full)|^free some space/m,
              first.stderr,
            );
          }
          execFileSync('mount', ['-o', 'remount,size=64m', cairn.store]);
          const second = await build(String(size));
          assert.equal(second.code, 0, second.stderr);
          assert.doesNotMatch(second.stderr, /WARNING/);
          assert.deepEqual(faultsOf(cairn.store), []);
        } finally {
          unmount();
        }
      });
    }

    test('is met in most of these phases', () => assert.ok(failures >= 8, `${failures} builds failed`));
    test('by output is named with the file', async () => {
      const out = join(cairn.directory, 'small');
      mkdirSync(out);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'cairn-test-disk', out]);
      try {
        for (const output of [`type=oci,dest=${out}/image.tar`, `type=local,dest=${out}/files`]) {
          const { code, stderr } = await cairn.run(['build', '--progress=plain', '-o', output, project]);
          assert.equal(code, 1);
          const message = oneMessage(stderr);
          assert.match(message, /no space left on device/);
          assert.ok(message.includes(out), message);
        }
        assert.equal(existsSync(join(out, 'image.tar')), false);
        const files = readdirSync(join(out, 'files'), { recursive: true, encoding: 'utf8' });
        const halves = files.filter((name) => /twice|context|\.tmp$/.test(name));
        assert.deepEqual(halves, [], 'no file is there in part');
      } finally {
        execFileSync('umount', [out]);
      }
    });
  },
);

describe('a store', () => {
  const database = () => join(cairn.store, 'cairn.db');
  before(async () => {
    const { code, stderr } = await build('good');
    assert.equal(code, 0, stderr);
  });

  test('that a newer version wrote is refused and left alone', async () => {
    const db = new DatabaseSync(database());
    const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
    db.exec(`PRAGMA user_version = ${version + 1}`);
    db.close();
    const records = recordsOf(cairn.store);
    for (const args of [['build', project], ['du'], ['prune', '--all', '--force']]) {
      const { code, stderr } = await cairn.run(args);
      assert.equal(code, 1);
      assert.match(oneMessage(stderr), /newer/);
      assert.doesNotMatch(stderr, /failed to solve/);
    }
    assert.deepEqual(recordsOf(cairn.store), records);
    const back = new DatabaseSync(database());
    back.exec(`PRAGMA user_version = ${version}`);
    back.close();
    const steps = await cairn.build([project]);
    assert.deepEqual(stepsRun(steps), []);
  });

  for (const [what, spoil] of [
    ['whose first page is overwritten', (fd: number) => writeSync(fd, randomBytes(4096), 0, 4096, 0)],
    [
      'whose other pages are overwritten',
      (fd: number, size: number) => writeSync(fd, randomBytes(size - 4096), 0, size - 4096, 4096),
    ],
  ] as const) {
    test(`with a database ${what} is made anew, with a warning, by the next build or the one after`, async () => {
      const { size } = statSync(database());
      const fd = openSync(database(), 'r+');
      spoil(fd, size);
      closeSync(fd);
      const first = await build('damaged');
      if (first.code !== 0) assert.match(oneMessage(first.stderr), /damaged/);
      const second = await build('damaged');
      assert.equal(second.code, 0, second.stderr);
      assert.match(`${first.stderr}${second.stderr}`, /WARNING: .*damaged/);
      assert.deepEqual(faultsOf(cairn.store), []);
      assert.deepEqual(stepsRun(await cairn.build([project])), []);
    });
  }

  test('that is a file is refused', async () => {
    const file = join(cairn.directory, 'a-file');
    writeFileSync(file, '');
    const { code, stderr } = await cairn.run(['--root', file, 'build', project]);
    assert.equal(code, 1);
    assert.match(oneMessage(stderr), /^ERROR: failed to build: store \S+a-file cannot be opened: /);
  });
});

describe('a layer', () => {
  const evil = join('/tmp', `cairn-escaped-${process.pid}`);
  after(() => rmSync(evil, { recursive: true, force: true }));

  /** An OCI layout of one image with this layer. */
  const layoutOf = (name: string, tar: Buffer): string => {
    const layout = join(cairn.directory, name);
    const put = (bytes: Buffer | string): { digest: string; size: number } => {
      const hex = createHash('sha256').update(bytes).digest('hex');
      mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
      writeFileSync(join(layout, 'blobs/sha256', hex), bytes);
      return { digest: `sha256:${hex}`, size: Buffer.byteLength(bytes) };
    };
    const layer = put(tar);
    const config = put(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: [layer.digest] },
      }),
    );
    const manifest = put(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
        layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
      }),
    );
    writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(
      join(layout, 'index.json'),
      JSON.stringify({
        schemaVersion: 2,
        manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', ...manifest }],
      }),
    );
    return layout;
  };
  const packed = (script: string): Buffer => {
    const directory = join(cairn.directory, `tar-${randomBytes(4).toString('hex')}`);
    mkdirSync(directory);
    execFileSync('sh', ['-ec', script], { cwd: directory, stdio: 'ignore' });
    return readFileSync(join(directory, 'layer.tar'));
  };

  const climbing = '../'.repeat(12).slice(0, -1);
  for (const [name, script] of [
    ['climbs-out', `echo evil > f; tar -P --transform 's,^f$,${climbing}${evil}/f,' -cf layer.tar f`],
    ['is-absolute', `echo evil > f; tar -P --transform 's,^f$,${evil}/f,' -cf layer.tar f`],
    [
      'goes-through-a-link',
      `ln -s ${climbing}/tmp d; tar -cf layer.tar d; rm d; mkdir d; echo evil > d/${evil.slice(5)}; tar -rf layer.tar d/${evil.slice(5)}`,
    ],
    [
      'links-outside',
      `touch f; ln f g; tar -P --transform 's,^f$,${climbing}/etc/hostname,;s,^g$,stolen,' -cf layer.tar f g`,
    ],
  ] as const) {
    test(`that ${name} writes nothing outside its root`, async () => {
      const layout = layoutOf(name, packed(script));
      writeFileSync(join(project, 'Hostile'), 'FROM base AS b\nFROM busybox\nCOPY --from=b / /b/\n');
      const out = join(cairn.directory, `out-${name}`);
      const { code, stdout, stderr } = await cairn.run([
        'build',
        '--progress=plain',
        '-f',
        join(project, 'Hostile'),
        '--build-context',
        `base=oci-layout://${layout}`,
        '-o',
        out,
        project,
      ]);
      assert.equal(existsSync(evil), false);
      if (code !== 0)
        assert.match(oneMessage(stderr), /failed to solve: .*(layer|tar|link)/i, `${stdout}${stderr}`);
      else
        assert.equal(
          existsSync(join(out, 'b/stolen')) && readFileSync(join(out, 'b/stolen'), 'utf8') !== '',
          false,
        );
      assert.deepEqual(faultsOf(cairn.store), []);
    });
  }

  test('whose bytes are no tar is refused by name', async () => {
    const layout = layoutOf('no-tar', randomBytes(2048));
    const { code, stderr } = await cairn.run([
      'build',
      '--progress=plain',
      '-f',
      join(project, 'Hostile'),
      '--build-context',
      `base=oci-layout://${layout}`,
      project,
    ]);
    assert.equal(code, 1);
    assert.match(oneMessage(stderr), /tar/);
    assert.deepEqual(faultsOf(cairn.store), []);
  });
});

test(
  'a full disk under a local cache is not taken for the one of the store',
  { skip: process.geteuid?.() === 0 ? false : 'needs root to mount a small disk' },
  async () => {
    const small = join(cairn.directory, 'cache-disk');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'cairn-test-disk', small]);
    try {
      const dest = join(small, 'cache');
      const cacheTo = (more: string) =>
        cairn.run(['build', '--cache-to', `type=local,dest=${dest},mode=max${more}`, project]);
      const told = `cache local:${dest} was not exported: failed to write ${dest}/blobs/sha256/`;
      const built = await cacheTo('');
      assert.equal(built.code, 0, built.stderr);
      assert.ok(built.stderr.includes(` - ${told}`), built.stderr);
      const strict = await cacheTo(',ignore-error=false');
      assert.equal(strict.code, 1);
      assert.ok(oneMessage(strict.stderr).includes(told), strict.stderr);
      assert.match(strict.stderr, /^free some space on the disk of the cache/m);
      assert.doesNotMatch(strict.stderr, /disk of the store/);
    } finally {
      execFileSync('umount', [small]);
    }
  },
);
