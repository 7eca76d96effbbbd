/** JSON as Go's encoding/json decodes it into untyped values, where that differs from JSON.parse. */

/** Go gives up on deeper nesting. */
const MAX_DEPTH = 10_000;

/**
 * The parsed value; undefined where Go reports an error: malformed text, numbers beyond a float64, deep nesting.
 * Strings may hold lone surrogates, which Go replaces by U+FFFD.
 */
export function parseGoJson(text: string): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  return acceptedByGo(parsed) ? parsed : undefined;
}

function acceptedByGo(root: unknown): boolean {
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value === 'number' && !Number.isFinite(value)) return false;
      if (typeof value === 'object' && value !== null) {
        if (depth >= MAX_DEPTH) return false;
        for (const inner of Object.values(value)) next.push(inner);
      }
    }
    level = next;
  }
  return true;
}
