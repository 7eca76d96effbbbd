/** Random identifiers in BuildKit's form. */
import { randomBytes } from 'node:crypto';

const LENGTH = 25;
const BYTES = 17;

/** 25 characters of base 36, from 136 random bits. */
export function randomId(): string {
  const id = BigInt(`0x${randomBytes(BYTES).toString('hex')}`).toString(36);
  return id.padStart(LENGTH, '0').slice(-LENGTH);
}
