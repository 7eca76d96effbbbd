/** Runs inside a user namespace: see rootless.test.ts. Exits 1 with the reason on stderr. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ANNOTATION_UNCOMPRESSED, type Digest } from '../../src/content/contract.ts';
import { openFixture } from './fixture.ts';

const fresh = () => openFixture(mkdtempSync(join(tmpdir(), 'cairn-rootless-')));
const list = "find . -mindepth 1 -printf '%P %m %U\\n' | sort";
const expected = 'd 755 0\nd/new 4755 0\nkept 644 0\n';

const one = fresh();
const base = await one.layer(
  undefined,
  'mkdir d; echo 1 > d/old; echo 2 > kept; echo 3 > gone; ln kept link',
);
const top = await one.layer(base, 'rm -r d gone link; mkdir d; echo 4 > d/new; chmod 4755 d/new');
assert.equal(await one.shell(await one.snapshots.view(top), list), expected);
const remote = await one.snapshots.remote(top, { type: 'gzip' });
assert(remote);

const two = fresh();
const copy = await two.snapshots.fromLayers(
  remote.descriptors.map((descriptor) => ({
    descriptor,
    diffID: descriptor.annotations?.[ANNOTATION_UNCOMPRESSED] as Digest,
    provider: remote.provider,
  })),
  { description: 'copy' },
);
assert.equal(await two.shell(await two.snapshots.view(copy), list), expected);

const entry = { linkname: '', mode: 0o644, size: 0, mtime: 0, mtimeNs: 0, devMajor: 0, devMinor: 0 };
const foreign = await two.blob(
  [{ ...entry, type: 'file', name: 'theirs', uid: 1234, gid: 1234, xattrs: undefined }],
  { type: 'gzip' },
);
await assert.rejects(two.snapshots.view(foreign), { code: 'DENIED', message: /theirs belongs to 1234:1234/ });
await two.close();
await one.close();
