import assert from 'node:assert/strict';
import { test } from 'node:test';
import { annotations, entitlements, extraHosts, keyValues, ulimits } from './attributes.ts';

test('keyValues takes the value of a bare key from the environment, and nothing when it is unset', () => {
  assert.deepEqual(keyValues(['A=1', 'B', 'C', 'D=x=y'], '--build-arg', { B: 'two' }), {
    A: '1',
    B: 'two',
    D: 'x=y',
  });
  assert.deepEqual(keyValues(['A'], '--label'), { A: '' });
  assert.throws(() => keyValues(['=1'], '--label'), /empty key/);
});

test('extraHosts writes host=ip and takes brackets off IPv6 addresses', () => {
  assert.equal(
    extraHosts(['a:10.0.0.1', 'b=[::1]', 'c:::1', 'd=10.0.0.1,10.0.0.2']),
    'a=10.0.0.1,b=::1,c=::1,d=10.0.0.1,d=10.0.0.2',
  );
  assert.equal(extraHosts(['h:host-gateway']), 'h=127.0.0.1', 'steps share the network of this machine');
  for (const bad of ['a', 'a:', ':1.2.3.4', 'a:no'])
    assert.throws(() => extraHosts([bad]), /invalid host/, bad);
});

test('ulimits sets the hard limit to the soft one and sorts by name', () => {
  assert.equal(ulimits(['nproc=5', 'nofile=10:20', 'nproc=6']), 'nofile=10:20,nproc=6:6');
  assert.throws(() => ulimits(['nofiles=1']), /invalid ulimit type: nofiles/);
  assert.throws(() => ulimits(['nofile=20:10']), /less than or equal/);
});

test('annotations makes one attribute for each type and platform', () => {
  assert.deepEqual(annotations(['a=1', 'index,manifest[linux/arm64]:b=2']), {
    'annotation.a': '1',
    'annotation-index.b': '2',
    'annotation-manifest[linux/arm64].b': '2',
  });
  assert.throws(() => annotations(['manifst:a=1']), /unknown annotation type "manifst"/);
});

test('entitlements knows two and suggests them', () => {
  assert.deepEqual(entitlements(['network.host', 'buildx.local.delete']), {
    entitlements: ['network.host'],
    localDelete: true,
  });
  assert.throws(() => entitlements(['network.hots']), /unknown entitlement "network.hots"/);
});
