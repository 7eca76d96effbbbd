import assert from 'node:assert/strict';
import { test } from 'node:test';
import { familiarReference, formatReference, parseNamed, parseReference } from './reference.ts';

const HEX = 'ab'.repeat(32);

test('parseReference normalises the short spellings', () => {
  const cases: [string, string][] = [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.37', 'docker.io/library/busybox:1.37'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['user/app', 'docker.io/user/app:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/a/b:c', 'localhost:5000/a/b:c'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    ['Registry/app', 'Registry/app:latest'],
    [`r.example.com/a__b/c--d@sha256:${HEX}`, `r.example.com/a__b/c--d@sha256:${HEX}`],
    [`busybox:1@sha256:${HEX}`, `docker.io/library/busybox:1@sha256:${HEX}`],
  ];
  for (const [text, expected] of cases) assert.equal(formatReference(parseReference(text)), expected);
});

test('parseReference refuses what distribution/reference refuses, with its words', () => {
  const cases: [string, string][] = [
    ['', 'invalid reference format'],
    ['UPPER/Case:tag', 'invalid reference format: repository name (Case) must be lowercase'],
    ['Busybox', 'invalid reference format: repository name (library/Busybox) must be lowercase'],
    ['a b', 'invalid reference format'],
    ['app:', 'invalid reference format'],
    ['app@sha256:abc', 'invalid reference format'],
    [`app@sha256:${HEX}00`, 'invalid checksum digest length'],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    [`r.io/${'a/'.repeat(127)}aa`, 'repository name must not be more than 255 characters'],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseReference(text), { code: 'USAGE', message }, text);
  }
});

test('familiarReference leaves out what parseReference adds', () => {
  assert.equal(familiarReference(parseReference('docker.io/library/busybox:1')), 'busybox:1');
  assert.equal(familiarReference(parseNamed('docker.io/user/app')), 'user/app');
  assert.equal(familiarReference(parseNamed('library/a/b')), 'library/a/b');
  assert.equal(familiarReference(parseReference('r.example.com/app')), 'r.example.com/app:latest');
});
