import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openAgent } from './agent.ts';
import { string, uint32, WireReader } from './wire.ts';

const directory = mkdtempSync(join(tmpdir(), 'cairn-agent-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** Sends one request and returns the answer without its length. */
function ask(socketPath: string, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => socket.write(string(request)));
    let got: Buffer = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
    socket.on('data', (data) => {
      got = Buffer.concat([got, Buffer.from(data as Uint8Array)]);
      if (got.length < 4 || got.length < 4 + got.readUInt32BE(0)) return;
      resolve(got.subarray(4));
      socket.end();
    });
  });
}

async function identities(socketPath: string): Promise<Buffer[]> {
  const answer = await ask(socketPath, Buffer.of(11));
  assert.equal(answer[0], 12);
  const reader = new WireReader(answer.subarray(1));
  return Array.from({ length: reader.uint32() }, () => {
    const blob = reader.string();
    reader.string();
    return blob;
  });
}

async function signature(socketPath: string, blob: Buffer, data: Buffer, flags = 0) {
  const answer = await ask(
    socketPath,
    Buffer.concat([Buffer.of(13), string(blob), string(data), uint32(flags)]),
  );
  assert.equal(answer[0], 14);
  const reader = new WireReader(new WireReader(answer.subarray(1)).string());
  return { algorithm: reader.text(), bytes: reader.string() };
}

function keyFile(name: string, key: KeyObject): string {
  const path = join(directory, name);
  writeFileSync(path, key.export({ type: 'pkcs8', format: 'pem' }));
  return path;
}

/** The key as ssh-keygen writes it. */
function opensshFile(name: string, key: KeyObject): string {
  const jwk = key.export({ format: 'jwk' });
  const [x, d] = [jwk.x, jwk.d].map((field) => Buffer.from(field ?? '', 'base64url')) as [Buffer, Buffer];
  const blob = Buffer.concat([string('ssh-ed25519'), string(x)]);
  const inner = Buffer.concat([
    uint32(7),
    uint32(7),
    string('ssh-ed25519'),
    string(x),
    string(Buffer.concat([d, x])),
    string('me@here'),
    Buffer.of(1, 2, 3),
  ]);
  const whole = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    string('none'),
    string('none'),
    string(''),
    uint32(1),
    string(blob),
    string(inner),
  ]);
  const path = join(directory, name);
  writeFileSync(
    path,
    `-----BEGIN OPENSSH PRIVATE KEY-----\n${whole.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`,
  );
  return path;
}

test('the agent signs with an RSA key by the hash that is asked for', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const agent = await openAgent([keyFile('rsa', privateKey)], {});
  try {
    const [blob = Buffer.alloc(0)] = await identities(agent.socketPath);
    for (const [flags, algorithm, hash] of [
      [0, 'ssh-rsa', 'sha1'],
      [2, 'rsa-sha2-256', 'sha256'],
      [4, 'rsa-sha2-512', 'sha512'],
    ] as const) {
      const made = await signature(agent.socketPath, blob, Buffer.from('data'), flags);
      assert.equal(made.algorithm, algorithm);
      assert(verify(hash, Buffer.from('data'), publicKey, made.bytes));
    }
  } finally {
    await agent.close();
  }
});

test('the agent signs with an OpenSSH Ed25519 key', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const agent = await openAgent([opensshFile('ed', privateKey)], {});
  try {
    const [blob = Buffer.alloc(0)] = await identities(agent.socketPath);
    const made = await signature(agent.socketPath, blob, Buffer.from('data'));
    assert.equal(made.algorithm, 'ssh-ed25519');
    assert(verify(null, Buffer.from('data'), createPublicKey(privateKey), made.bytes));
  } finally {
    await agent.close();
  }
});

test('the agent signs with ECDSA keys', async () => {
  for (const [namedCurve, bytes, hash] of [
    ['P-256', 32, 'sha256'],
    ['P-521', 66, 'sha512'],
  ] as const) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
    const agent = await openAgent([keyFile(`ec-${namedCurve}`, privateKey)], {});
    try {
      const [blob = Buffer.alloc(0)] = await identities(agent.socketPath);
      const made = await signature(agent.socketPath, blob, Buffer.from('data'));
      const reader = new WireReader(made.bytes);
      const padded = (part: Buffer): Buffer => Buffer.concat([Buffer.alloc(bytes - part.length), part]);
      const pair = Buffer.concat([padded(reader.mpint()), padded(reader.mpint())]);
      assert(verify(hash, Buffer.from('data'), { key: publicKey, dsaEncoding: 'ieee-p1363' }, pair));
    } finally {
      await agent.close();
    }
  }
});

test('an agent in front of another passes requests on and refuses changes', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const real = await openAgent([keyFile('behind', privateKey)], {});
  const agent = await openAgent([], { SSH_AUTH_SOCK: real.socketPath });
  try {
    assert.deepEqual(await identities(agent.socketPath), await identities(real.socketPath));
    assert.deepEqual(await ask(agent.socketPath, Buffer.of(19)), Buffer.of(5));
  } finally {
    await agent.close();
    await real.close();
  }
});

test('openAgent refuses a key with a passphrase', async () => {
  const path = join(directory, 'protected');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(
    path,
    privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
  );
  await assert.rejects(openAgent([path], {}), {
    code: 'USAGE',
    message: `failed to parse ${path}: this private key is passphrase protected`,
  });
});

test('openAgent refuses what is no key, and no agent at all', async () => {
  const path = join(directory, 'text');
  writeFileSync(path, 'hello');
  await assert.rejects(openAgent([path], {}), { code: 'USAGE', message: /^failed to parse/ });
  await assert.rejects(openAgent([], {}), { code: 'USAGE', message: /SSH_AUTH_SOCK/ });
});
