/** Finding and describing the first place where two JSON-like values differ. */

/** Characters of a value that are shown on each side. */
const MAX_SHOWN = 300;

/**
 * Path and both values of the first difference, in the order of the expected value's keys; undefined when equal.
 * Objects are compared without regard to the order of keys, and a missing key equals `undefined`.
 */
export function firstDifference(expected: unknown, actual: unknown, path = ''): string | undefined {
  if (Object.is(expected, actual)) return undefined;
  if (Array.isArray(expected) && Array.isArray(actual)) {
    for (let i = 0; i < Math.max(expected.length, actual.length); i++) {
      const here = `${path}[${i}]`;
      if (i >= expected.length) return report(here, undefined, actual[i]);
      if (i >= actual.length) return report(here, expected[i], undefined);
      const difference = firstDifference(expected[i], actual[i], here);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  if (isObject(expected) && isObject(actual)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
      const difference = firstDifference(expected[key], actual[key], path === '' ? key : `${path}.${key}`);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  return report(path, expected, actual);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function report(path: string, expected: unknown, actual: unknown): string {
  const [left, right] = window(show(expected), show(actual));
  return `${path === '' ? '(the whole value)' : path}\n  expected ${left}\n  actual   ${right}`;
}

function show(value: unknown): string {
  return value === undefined ? '(nothing)' : JSON.stringify(value);
}

/** Both texts cut so that the place where they part is visible. */
function window(a: string, b: string): [string, string] {
  let same = 0;
  while (same < a.length && same < b.length && a[same] === b[same]) same++;
  const start = same > MAX_SHOWN / 2 ? same - MAX_SHOWN / 4 : 0;
  const cut = (text: string): string =>
    (start > 0 ? '…' : '') +
    text.slice(start, start + MAX_SHOWN) +
    (text.length > start + MAX_SHOWN ? '…' : '');
  return [cut(a), cut(b)];
}
