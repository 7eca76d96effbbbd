import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import type { EntryType, TarEntry } from './entry.ts';
import { TarReader } from './reader.ts';
import { TarWriter } from './writer.ts';

const dir = mkdtempSync(join(tmpdir(), 'cairn-tar-'));
after(() => rmSync(dir, { recursive: true, force: true }));

const blank: TarEntry = {
  type: 'file',
  name: 'f',
  linkname: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  mtimeNs: 0,
  devMajor: 0,
  devMinor: 0,
  xattrs: undefined,
};

function write(entries: TarEntry[], content = 'x', subSecond = false): Buffer {
  const chunks: Buffer[] = [];
  const writer = new TarWriter((chunk) => chunks.push(Buffer.from(chunk)), { subSecond });
  for (const entry of entries) {
    writer.header(entry);
    writer.data(Buffer.alloc(entry.size, content));
    writer.pad(entry.size);
  }
  writer.end();
  return Buffer.concat(chunks);
}

interface Read {
  entries: TarEntry[];
  /** Content by name, holes filled. */
  content: Map<string, Buffer>;
}

function read(bytes: Uint8Array, step = bytes.length): Read {
  const result: Read = { entries: [], content: new Map() };
  let current = Buffer.alloc(0);
  const reader = new TarReader({
    entry(entry) {
      result.entries.push(entry);
      current = Buffer.alloc(entry.size);
      result.content.set(entry.name, current);
    },
    data: (data, position) => current.set(data, position),
    close() {},
  });
  for (let i = 0; i < bytes.length; i += step) reader.write(bytes.subarray(i, i + step));
  reader.end();
  return result;
}

const name = fc
  .array(
    fc.string({ unit: fc.constantFrom('a', 'B', '0', ' ', '-', 'é', 'ÿ'), minLength: 1, maxLength: 120 }),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  .map((parts) => Buffer.from(parts.join('/'), 'latin1').toString('latin1'));
const entry = fc
  .record({
    type: fc.constantFrom<EntryType>('file', 'dir', 'symlink', 'link', 'char', 'fifo'),
    name,
    linkname: name,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.constantFrom(0, 1000, 0o7777777, 0o10000000, 4_294_967_294),
    gid: fc.constantFrom(0, 4_000_000),
    size: fc.integer({ min: 0, max: 3000 }),
    mtime: fc.constantFrom(0, 1_700_000_000, -5, 8 ** 11),
    mtimeNs: fc.constantFrom(0, 1, 999_999_999),
    device: fc.integer({ min: 0, max: 2 ** 20 }),
    xattr: fc.option(fc.uint8Array({ maxLength: 40 })),
  })
  .map(({ device, xattr, ...rest }): TarEntry => {
    const link = rest.type === 'symlink' || rest.type === 'link';
    return {
      ...rest,
      linkname: link ? rest.linkname : '',
      size: rest.type === 'file' ? rest.size : 0,
      devMajor: rest.type === 'char' ? device : 0,
      devMinor: rest.type === 'char' ? device : 0,
      xattrs:
        xattr === null || xattr.length === 0
          ? undefined
          : new Map([['security.capability', Buffer.from(xattr)]]),
    };
  });

test('TarReader gives back what TarWriter wrote, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 8 }), fc.integer({ min: 1, max: 2000 }), (entries, step) => {
      const { entries: got } = read(write(entries, 'x', true), step);
      const wanted = entries.map((e) => (e.type === 'dir' ? { ...e, name: `${e.name}/` } : e));
      assert.deepEqual(got, wanted);
    }),
    { numRuns: 200 },
  );
});

/** Header fields other than `blank`, and the sha256 of Go 1.26's tar of one such entry with format PAX. */
const GO_DIGESTS: [Partial<TarEntry>, string][] = [
  [{ name: 'f' }, '236b97dcd8626bfaaa1a07ede3efb6cf740e93a5c8442b90f850db2fb3a75fa6'],
  [
    { name: 'dir', type: 'dir', mode: 1005 },
    'd376b0da27abba2899b47f117b7c079c7fea2b8cd5ab2932019addb92f364c8e',
  ],
  [{ name: 'LONG' }, 'd7e2851e0f3ca57b3dd0ac210e22abb3014cc349037979c195c4f7ab6a96af89'],
  [{ name: 'LONG/tail' }, 'bf5c8673354dab866cedf5cd2c782d3c61110122bd12dae95ef9bad02518d5dc'],
  [
    {
      name: 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd',
    },
    '9506fb2efb34fb9b35b4f393b1a23e1ff67e99b16c1879293b0647418811a22e',
  ],
  [{ name: '\u00e9\u00ff' }, '96a4243b09c4e63306045092d3d5df804e525a5bfbae1562b7dcda97eafed2d6'],
  [
    {
      name: 's',
      type: 'symlink',
      linkname:
        'ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt',
    },
    '48f58d61f0bfbf918fabe26f1297163b79dbfe49a9d6d4188731f54bf8a2b9e5',
  ],
  [
    { name: 'big', uid: 2097152, gid: 4294967294 },
    'afdaa5f468a6a3fafb9f9038b6a626b035c75d4350081d485ff611d5bf6a456d',
  ],
  [{ name: 'old', mtime: -5 }, '12eb88c09c480a99332c9ac25f4cde45b2f4eab76d0a8bac22c730cb467455c7'],
  [{ name: 'far', mtime: 8589934592 }, 'b49b9af819fd550f0b3f48daffa01953429b24907d8d21ecb75a3b89d08825b7'],
  [
    { name: 'dev', type: 'char', devMajor: 300, devMinor: 70000 },
    'fc0acc3d7a842719d8b1675b16141dbae6f3a104df18c9042c1b69dff67b1ee7',
  ],
];

test('TarWriter writes the headers of Go archive/tar', () => {
  const long = `${'d'.repeat(99)}/${'f'.repeat(99)}`;
  const cases: [TarEntry, string][] = GO_DIGESTS.map(([overrides, digest]) => [
    { ...blank, ...overrides, name: overrides.name?.replace('LONG', long) ?? 'f' },
    digest,
  ]);
  for (const [header, digest] of cases) {
    assert.equal(
      createHash('sha256')
        .update(write([header]))
        .digest('hex'),
      digest,
      JSON.stringify(header),
    );
  }
});

test('TarReader reads each format of GNU tar, sparse files included', () => {
  const tree = join(dir, 'tree');
  mkdirSync(tree);
  const long = 'n'.repeat(180);
  writeFileSync(join(tree, 'plain'), 'hello');
  writeFileSync(join(tree, long), 'long');
  linkSync(join(tree, 'plain'), join(tree, 'zlink'));
  symlinkSync(long, join(tree, 'symlink'));
  const sparse = join(tree, 'sparse');
  const fd = openSync(sparse, 'w');
  for (let i = 0; i < 40; i++) writeSync(fd, `run ${i}`, i * 70_000);
  ftruncateSync(fd, 3_000_000);
  closeSync(fd);
  const formats = [
    ['--format=gnu', '-S'],
    ['--format=oldgnu', '-S'],
    ['--format=pax', '-S', '--sparse-version=0.0'],
    ['--format=pax', '-S', '--sparse-version=0.1'],
    ['--format=pax', '-S', '--sparse-version=1.0'],
    ['--format=pax'],
  ];
  for (const options of formats) {
    const file = join(dir, 'x.tar');
    execFileSync('tar', [...options, '-C', tree, '-cf', file, 'plain', 'sparse', 'symlink', 'zlink', long]);
    for (const step of [undefined, 333]) {
      const { entries, content } = read(readFileSync(file), step);
      assert.deepEqual(
        entries.map(({ type, name, linkname }) => [type, name, linkname]),
        [
          ['file', 'plain', ''],
          ['file', 'sparse', ''],
          ['symlink', 'symlink', long],
          ['link', 'zlink', 'plain'],
          ['file', long, ''],
        ],
        options.join(' '),
      );
      assert(content.get('sparse')?.equals(readFileSync(sparse)), options.join(' '));
      assert.equal(content.get(long)?.toString(), 'long');
    }
  }
});

test('TarReader reads v7 directories by their slash and base-256 numbers', () => {
  const bytes = write([{ ...blank, name: 'old/' }]);
  bytes[156] = 0;
  bytes.fill(0, 257, 265);
  bytes.fill(0x20, 148, 156);
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += bytes[i] ?? 0;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  assert.equal(read(bytes).entries[0]?.type, 'dir');
});

function broken(
  change: (bytes: Buffer) => void | Buffer,
  entries: TarEntry[] = [{ ...blank, size: 700 }],
): () => void {
  const bytes = write(entries);
  const changed = change(bytes);
  return () => read(changed ?? bytes);
}

test('TarReader refuses damaged archives and names the entry', () => {
  const corrupt = (message: RegExp) => ({ code: 'CORRUPT', message });
  assert.throws(
    broken((b) => b.subarray(0, 900)),
    corrupt(/entry f: the archive is cut off/),
  );
  assert.throws(
    broken((b) => b.subarray(0, 100)),
    corrupt(/cut off/),
  );
  assert.throws(
    broken((b) => void (b[0] = 0x41)),
    corrupt(/checksum/),
  );
  assert.throws(() => read(Buffer.alloc(1024, 'not a tar ')), corrupt(/checksum|not a number/));
  const withPax = [{ ...blank, name: 'é'.repeat(60), size: 0 }];
  assert.throws(
    broken((b) => void b.write('9999999', 512), withPax),
    corrupt(/pax record has a wrong length/),
  );
});
