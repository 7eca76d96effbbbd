import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  familiarReference,
  formatReference,
  parseDigest,
  parseNormalizedReference,
  parseReference,
  withDefaultTag,
} from './reference.ts';

const SHA = `sha256:${'a'.repeat(64)}`;

test('parseNormalizedReference fills in registry and library', () => {
  const rows: [string, string, string][] = [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['user/app:1', 'docker.io/user/app:1', 'user/app:1'],
    ['index.docker.io/x', 'docker.io/library/x:latest', 'x:latest'],
    ['docker.io/x', 'docker.io/library/x:latest', 'x:latest'],
    ['localhost/x', 'localhost/x:latest', 'localhost/x:latest'],
    ['localhost:5000/x/y', 'localhost:5000/x/y:latest', 'localhost:5000/x/y:latest'],
    ['gcr.io/a/b', 'gcr.io/a/b:latest', 'gcr.io/a/b:latest'],
    ['UP/x', 'UP/x:latest', 'UP/x:latest'],
    ['[::1]:5000/x', '[::1]:5000/x:latest', '[::1]:5000/x:latest'],
    [`busybox@${SHA}`, `docker.io/library/busybox@${SHA}`, `busybox@${SHA}`],
    [`busybox:1@${SHA}`, `docker.io/library/busybox:1@${SHA}`, `busybox:1@${SHA}`],
    ['library/x/y', 'docker.io/library/x/y:latest', 'library/x/y:latest'],
  ];
  for (const [text, full, familiar] of rows) {
    const reference = withDefaultTag(parseNormalizedReference(text));
    assert.equal(formatReference(reference), full);
    assert.equal(familiarReference(reference), familiar);
  }
});

test('references that break the grammar are refused with the reason', () => {
  const rows: [string, RegExp][] = [
    ['a'.repeat(64), /cannot specify 64-byte hexadecimal strings/],
    ['Busybox', /invalid reference format: repository name \(library\/Busybox\) must be lowercase/],
    ['a//b', /^CairnError: invalid reference format$/],
    ['a:b:c', /invalid reference format/],
    ['', /invalid reference format/],
    [`a/${'b'.repeat(300)}`, /must not be more than 255 characters/],
    ['a@sha256:00', /invalid reference format/],
    [`a@md5:${'0'.repeat(32)}`, /unsupported digest algorithm/],
  ];
  for (const [text, message] of rows) assert.throws(() => parseNormalizedReference(text), message, text);
  assert.throws(() => parseReference(''), /must have at least one component/);
});

test('parseDigest tells format, length and algorithm apart', () => {
  assert.equal(parseDigest(SHA), SHA);
  assert.throws(() => parseDigest('abc'), /invalid checksum digest format/);
  assert.throws(() => parseDigest('sha256:00'), /invalid checksum digest length/);
  assert.throws(() => parseDigest(`sha256:${'G'.repeat(64)}`), /invalid checksum digest format/);
  assert.throws(() => parseDigest('md5:00'), /unsupported digest algorithm/);
});
