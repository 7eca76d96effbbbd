import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CairnError } from '../../errors/error.ts';
import { backendOf, cacheEntry } from './create.ts';
import { DEFAULT_EXPORT_TIMEOUT_MS } from './limits.ts';
import { checkParameters, type ParameterTable } from './parameters.ts';

const TABLE = {
  ref: { kind: 'text', side: 'both', required: true, doc: 'A name.' },
  mode: { kind: 'enum', values: ['min', 'max'], side: 'to', default: 'min', doc: 'A mode.' },
  force: { kind: 'bool', side: 'to', bare: true, default: false, doc: 'A switch.' },
  level: { kind: 'integer', side: 'to', min: 0, max: 9, doc: 'A number.' },
  wait: { kind: 'duration', side: 'both', default: 1000, doc: 'A time.' },
  names: { kind: 'list', side: 'both', default: ['one'], doc: 'Several.' },
  digest: { kind: 'digest', side: 'from', doc: 'A digest.' },
  endpoint: { kind: 'url', side: 'both', doc: 'A URL.' },
  key: { kind: 'integer', side: 'both', secret: true, doc: 'A secret.' },
} as const satisfies ParameterTable;

const check = (
  attrs: Record<string, string>,
  options: { side?: 'to' | 'from'; lenient?: boolean } = {},
): ReturnType<typeof checkParameters<typeof TABLE>> =>
  checkParameters(TABLE, { ref: 'x', ...attrs }, { type: 'test', side: 'to', ...options });

/** The error of a check, with its hint. */
function refusal(attrs: Record<string, string>, options: Parameters<typeof check>[1] = {}): string {
  try {
    check(attrs, options);
  } catch (error) {
    assert.ok(error instanceof CairnError);
    assert.equal(error.code, 'USAGE');
    return `${error.message} (${error.hint ?? ''})`;
  }
  return assert.fail('nothing was refused');
}

describe('checkParameters', () => {
  test('gives values of their types, and defaults', () => {
    const values = check({
      level: '7',
      force: '',
      wait: '1h30m',
      names: 'a;b',
      endpoint: 'https://x/y',
    });
    assert.deepEqual(
      { ...values },
      {
        ref: 'x',
        mode: 'min',
        force: true,
        level: 7,
        wait: 5_400_000,
        names: ['a', 'b'],
        endpoint: 'https://x/y',
        key: undefined,
      },
    );
  });

  test('suggests a name for one that it does not know', () => {
    assert.match(refusal({ mod: 'max' }), /has no parameter "mod" \(did you mean "mode"\?\)/);
  });

  test('says when a parameter belongs to the other flag', () => {
    assert.match(refusal({ mode: 'max' }, { side: 'from' }), /mode is a parameter of --cache-to/);
  });

  for (const [name, text, message] of [
    ['mode', 'mx', /mode: "mx" is not one of min, max \(did you mean "max"\?\)/],
    ['mode', 'inline', /is not one of min, max/],
    ['force', 'yes', /force: "yes" is neither true nor false/],
    ['level', '1.5', /level: "1.5" is not a whole number/],
    ['level', '10', /is more than 9/],
    ['wait', '10', /is not a duration/],
    ['wait', '', /is not a duration/],
    ['endpoint', 'nowhere', /is not a URL/],
    ['ref', '', /must not be empty/],
  ] as const) {
    test(`refuses ${name}=${text}`, () => {
      assert.match(refusal({ [name]: text }), message);
    });
  }

  test('refuses an entry without what it needs', () => {
    assert.throws(() => checkParameters(TABLE, {}, { type: 'test', side: 'to' }), /requires ref/);
  });

  test('does not print a secret', () => {
    assert.doesNotMatch(refusal({ key: 'hunter2' }), /hunter2/);
  });

  test('takes defaults for what it does not understand when lenient', () => {
    const values = check({ mode: 'mx', force: 'yes', mod: 'max', wait: 'soon' }, { lenient: true });
    assert.deepEqual([values.mode, values.force, values.wait], ['min', false, 1000]);
  });
});

describe('cacheEntry', () => {
  for (const [type, side, attrs, message] of [
    ['registery', 'to', {}, /unknown cache exporter: "registery"/],
    ['inline', 'from', {}, /unknown cache importer: "inline"/],
    ['registry', 'to', {}, /requires ref/],
    ['registry', 'to', { ref: 'a/UPPER' }, /invalid reference format|must be lowercase/],
    ['registry', 'to', { ref: 'a', 'oci-mediatypes': 'false', 'image-manifest': 'true' }, /are required/],
    ['registry', 'to', { ref: 'a', compression: 'gzip', 'compression-level': '10' }, /level 10/],
    ['registry', 'from', { ref: 'a', timeout: '0' }, /timeout/],
    ['local', 'to', { src: 'a' }, /no parameter "src"/],
    ['local', 'from', {}, /requires src/],
    ['local', 'from', { src: 'a', digest: 'sha256:12' }, /is not a digest/],
    ['inline', 'to', { mode: 'max' }, /always mode=min/],
    ['inline', 'to', { compression: 'zstd' }, /no parameter "compression"/],
    ['inline', 'to', { merge: 'true' }, /no parameter "merge"/],
  ] as [string, 'to' | 'from', Record<string, string>, RegExp][]) {
    test(`refuses --cache-${side} type=${type} ${JSON.stringify(attrs)}`, async () => {
      await assert.rejects(cacheEntry({ type, attrs }, side), (error: unknown) => {
        assert.ok(error instanceof CairnError);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  for (const attrs of [{ ref: ':::' }, { ref: 'a', compression: 'gzip', 'compression-level': '10' }]) {
    test(`says which entry ${JSON.stringify(attrs)} was in`, async () => {
      await assert.rejects(cacheEntry({ type: 'registry', attrs }, 'to'), (error: unknown) => {
        assert.ok(error instanceof CairnError);
        assert.match(`${error.message} ${error.hint}`, /--cache-to type=registry/);
        return true;
      });
    });
  }

  test('an inline cache takes what BuildKit takes when lenient', async () => {
    const attrs = { mode: 'max', compression: 'zstd' };
    await cacheEntry({ type: 'inline', attrs }, 'to', { lenient: true });
  });

  for (const value of ['true', 'false']) {
    test(`an inline cache takes ignore-error=${value}`, async () => {
      const { common } = await cacheEntry({ type: 'inline', attrs: { 'ignore-error': value } }, 'to');
      assert.equal(common.ignoreError, value === 'true');
    });
  }

  test('names of local caches tell tags and digests apart', async () => {
    const nameOf = async (attrs: Record<string, string>): Promise<string> =>
      (await cacheEntry({ type: 'local', attrs: { src: 'c', ...attrs } }, 'from')).name;
    const digest = `sha256:${'0'.repeat(64)}`;
    assert.equal(await nameOf({}), 'local:c');
    assert.equal(await nameOf({ tag: 'two' }), 'local:c:two');
    assert.equal(await nameOf({ digest }), `local:c@${digest}`);
  });

  test('an index is the default where Docker’s media types are wanted', async () => {
    await cacheEntry({ type: 'registry', attrs: { ref: 'a', 'oci-mediatypes': 'false' } }, 'to');
  });

  test('timeout= of gha limits the whole only when it is given: BuildKit’s default is for pauses', async () => {
    const timeoutOf = async (side: 'to' | 'from', attrs: Record<string, string>): Promise<number> =>
      (await cacheEntry({ type: 'gha', attrs: { token: 'a.b.c', url: 'http://localhost', ...attrs } }, side))
        .common.timeout;
    assert.equal(await timeoutOf('to', {}), DEFAULT_EXPORT_TIMEOUT_MS);
    assert.equal(await timeoutOf('from', {}), 10 * 60_000);
    assert.equal(await timeoutOf('to', { timeout: '3m' }), 3 * 60_000);
  });

  for (const type of ['registry', 'local', 'inline', 's3', 'azblob', 'gha']) {
    test(`every parameter of ${type} is in its page of the documentation`, async () => {
      const page = join(import.meta.dirname, `../../../docs/backends/${type}.md`);
      if (!existsSync(page)) return;
      const text = readFileSync(page, 'utf8');
      const { parameters } = await backendOf(type, 'to');
      const common = new Set(['mode', 'ignore-error', 'on-failure', 'merge', 'timeout']);
      for (const name of Object.keys(parameters)) {
        if (type === 'inline' || common.has(name)) continue;
        assert.ok(text.includes(`\`${name}\``), `${name} is missing in ${page}`);
      }
    });
  }
});
