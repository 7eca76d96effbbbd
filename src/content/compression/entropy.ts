/** Of every four stretches of this many bytes one is looked at. */
const STRETCH_BYTES = 512;
const EVERY = 4;

/** Estimated bits per byte, 0–8, from a quarter of the bytes and without regard to repetitions. */
export function entropyOf(bytes: Uint8Array): number {
  const counts = new Uint32Array(256);
  let seen = 0;
  for (let start = 0; start < bytes.length; start += STRETCH_BYTES * EVERY) {
    const end = Math.min(start + STRETCH_BYTES, bytes.length);
    for (let i = start; i < end; i++) {
      const byte = bytes[i] ?? 0;
      counts[byte] = (counts[byte] ?? 0) + 1;
    }
    seen += end - start;
  }
  if (seen === 0) return 0;
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= count * Math.log2(count / seen);
  return bits / seen;
}
