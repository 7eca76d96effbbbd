import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError, redact, registerSecret } from './error.ts';

test('redact takes credentials out of URLs, and leaves what has none', () => {
  for (const [text, shown] of [
    ['from https://user:word@host/a.git x', 'from https://xxxxx:xxxxx@host/a.git x'],
    ['https://token@host/a.git', 'https://xxxxx@host/a.git'],
    ['https://token:x-oauth-basic@host/a.git', 'https://xxxxx:xxxxx@host/a.git'],
    ['http://:word@host/', 'http://:xxxxx@host/'],
    ['http://user:wo@rd@host/', 'http://xxxxx:xxxxx@host/'],
    ['ssh://git:word@host/a', 'ssh://xxxxx:xxxxx@host/a'],
    ['ssh://git@host/a', 'ssh://git@host/a'],
    ['git@host:a/b', 'git@host:a/b'],
    ['https://host/?mail=a@b', 'https://host/?mail=a@b'],
    ['https://host/a?sv=1&sig=abc%3D&se=2', 'https://host/a?sv=1&sig=xxxxx&se=2'],
    ['docker.io/a/b@sha256:00', 'docker.io/a/b@sha256:00'],
  ] as const)
    assert.equal(redact(text), shown);
});

test('an error shows no secret that was registered', () => {
  registerSecret('registered secret\n');
  const { message, hint } = new CairnError('is registered secret', {
    code: 'USAGE',
    hint: 'registered secret!',
  });
  assert.deepEqual([message, hint], ['is xxxxx', 'xxxxx!']);
});

test('of a secret that begins with another one nothing is left', () => {
  registerSecret('first-part');
  registerSecret('first-part-and-second');
  assert.equal(redact('is first-part-and-second, or first-part'), 'is xxxxx, or xxxxx');
});
