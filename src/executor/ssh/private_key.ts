/**
 * Private keys of SSH: OpenSSH's own format (its PROTOCOL.key) and the PEM ones, RSA, ECDSA and Ed25519.
 */
import { createPrivateKey, sign, type JsonWebKey, type KeyObject } from 'node:crypto';
import { CairnError } from '../../errors/error.ts';
import { mpint, string, WireReader } from './wire.ts';

export interface SshKey {
  /** The public key as it goes over the wire. */
  readonly blob: Buffer;
  /** Signature over `data` with its algorithm's name, as it goes over the wire. */
  sign(data: Buffer, flags: number): Buffer;
}

const MAGIC = 'openssh-key-v1\0';
/** Flags of a signature request (draft-ietf-sshm-ssh-agent). */
const RSA_SHA2_256 = 2;
const RSA_SHA2_512 = 4;

const CURVES: Record<string, { name: string; hash: string; bytes: number }> = {
  'P-256': { name: 'nistp256', hash: 'sha256', bytes: 32 },
  'P-384': { name: 'nistp384', hash: 'sha384', bytes: 48 },
  'P-521': { name: 'nistp521', hash: 'sha512', bytes: 66 },
};

/**
 * Parses the text of a key file; `path` is for messages.
 * @throws CairnError USAGE when it is no private key, of an unknown type, or protected by a passphrase
 */
export function parsePrivateKey(text: string, path: string): SshKey {
  const openssh = /-----BEGIN OPENSSH PRIVATE KEY-----([^-]+)-----END/.exec(text)?.[1];
  if (
    openssh === undefined &&
    (text.includes('BEGIN ENCRYPTED') || text.includes('Proc-Type: 4,ENCRYPTED'))
  ) {
    throw isProtected(path);
  }
  try {
    const key =
      openssh === undefined
        ? createPrivateKey(text)
        : createPrivateKey({ key: opensshKey(Buffer.from(openssh, 'base64'), path), format: 'jwk' });
    return sshKey(key);
  } catch (error) {
    if (error instanceof CairnError) throw error;
    throw new CairnError(`failed to parse ${path}: not a private key that SSH uses`, {
      code: 'USAGE',
      hint: 'Give an unencrypted RSA, ECDSA or Ed25519 key file, or the socket of an agent.',
      cause: error,
    });
  }
}

function isProtected(path: string): CairnError {
  return new CairnError(`failed to parse ${path}: this private key is passphrase protected`, {
    code: 'USAGE',
    hint: `Load it into an agent (ssh-add ${path}) and give the agent: --ssh default.`,
  });
}

function opensshKey(bytes: Buffer, path: string): JsonWebKey {
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new Error('no OpenSSH key');
  const outer = new WireReader(bytes.subarray(MAGIC.length));
  const cipher = outer.text();
  if (cipher !== 'none') throw isProtected(path);
  outer.string(); // name of the key derivation
  outer.string(); // its options
  if (outer.uint32() !== 1) throw new Error('not exactly one key');
  outer.string(); // the public key
  const inner = new WireReader(outer.string());
  if (inner.uint32() !== inner.uint32()) throw new Error('check numbers differ');
  const type = inner.text();
  if (type === 'ssh-ed25519') {
    const x = inner.string();
    // The seed, and the public key once more.
    const seed = inner.string().subarray(0, 32);
    return { kty: 'OKP', crv: 'Ed25519', x: base64(x), d: base64(seed) };
  }
  if (type === 'ssh-rsa') return rsaKey(inner);
  if (type.startsWith('ecdsa-sha2-')) return ecdsaKey(inner);
  throw new Error(`unknown key type ${type}`);
}

function rsaKey(inner: WireReader): JsonWebKey {
  const [n, e, d, qi, p, q] = [1, 2, 3, 4, 5, 6].map(() => inner.mpint()) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const remainder = (prime: Buffer): string => base64(bytesOf(integer(d) % (integer(prime) - 1n)));
  return {
    kty: 'RSA',
    n: base64(n),
    e: base64(e),
    d: base64(d),
    p: base64(p),
    q: base64(q),
    qi: base64(qi),
    dp: remainder(p),
    dq: remainder(q),
  };
}

function ecdsaKey(inner: WireReader): JsonWebKey {
  const name = inner.text();
  const [crv, curve] = Object.entries(CURVES).find(([, candidate]) => candidate.name === name) ?? [];
  if (crv === undefined || curve === undefined) throw new Error(`unknown curve ${name}`);
  const point = inner.string();
  const d = inner.mpint();
  return {
    kty: 'EC',
    crv,
    x: base64(point.subarray(1, 1 + curve.bytes)),
    y: base64(point.subarray(1 + curve.bytes)),
    d: base64(Buffer.concat([Buffer.alloc(curve.bytes - d.length), d])),
  };
}

function sshKey(key: KeyObject): SshKey {
  const jwk = key.export({ format: 'jwk' });
  const field = (name: 'n' | 'e' | 'x' | 'y'): Buffer => Buffer.from(jwk[name] ?? '', 'base64url');
  if (jwk.kty === 'RSA') {
    return {
      blob: Buffer.concat([string('ssh-rsa'), mpint(field('e')), mpint(field('n'))]),
      sign(data, flags) {
        const [algorithm, hash] =
          (flags & RSA_SHA2_512) !== 0
            ? ['rsa-sha2-512', 'sha512']
            : (flags & RSA_SHA2_256) !== 0
              ? ['rsa-sha2-256', 'sha256']
              : ['ssh-rsa', 'sha1'];
        return Buffer.concat([string(algorithm), string(sign(hash, data, key))]);
      },
    };
  }
  if (jwk.kty === 'OKP' && jwk.crv === 'Ed25519') {
    return {
      blob: Buffer.concat([string('ssh-ed25519'), string(field('x'))]),
      sign: (data) => Buffer.concat([string('ssh-ed25519'), string(sign(null, data, key))]),
    };
  }
  const curve = CURVES[jwk.crv ?? ''];
  if (jwk.kty !== 'EC' || curve === undefined) throw new Error(`unknown key type ${jwk.kty}`);
  const algorithm = `ecdsa-sha2-${curve.name}`;
  const point = Buffer.concat([Buffer.of(4), field('x'), field('y')]);
  return {
    blob: Buffer.concat([string(algorithm), string(curve.name), string(point)]),
    sign(data) {
      const pair = sign(curve.hash, data, { key, dsaEncoding: 'ieee-p1363' });
      const both = Buffer.concat([mpint(pair.subarray(0, curve.bytes)), mpint(pair.subarray(curve.bytes))]);
      return Buffer.concat([string(algorithm), string(both)]);
    },
  };
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64url');
}

function integer(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

function bytesOf(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 1 ? `0${hex}` : hex, 'hex');
}
