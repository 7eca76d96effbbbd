import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolvConf } from './resolv_conf.ts';

function read(files: Record<string, string>) {
  return (path: string): string => files[path] ?? '';
}

test('resolvConf keeps servers, search, options and other lines', () => {
  const text =
    '# c\nnameserver 10.0.0.1\nsearch a b\nsearch c\noptions x\noptions ndots:2\nsortlist 1.2.3.4\n';
  assert.equal(
    resolvConf(false, read({ '/etc/resolv.conf': text })),
    'nameserver 10.0.0.1\nsearch c\noptions x ndots:2\nsortlist 1.2.3.4\n',
  );
});

test('resolvConf takes loopback servers out, and falls back to public ones when none is left', () => {
  assert.equal(
    resolvConf(
      false,
      read({ '/etc/resolv.conf': 'nameserver 127.0.0.1\nnameserver ::1\nnameserver 9.9.9.9\n' }),
    ),
    'nameserver 9.9.9.9\n',
  );
  assert.equal(
    resolvConf(false, read({ '/etc/resolv.conf': 'nameserver 127.0.0.1\n' })),
    'nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n',
  );
});

test('resolvConf asks systemd-resolved for its servers when only its stub is named', () => {
  const files = {
    '/etc/resolv.conf': 'nameserver 127.0.0.53\n',
    '/run/systemd/resolve/resolv.conf': 'nameserver 192.168.0.1\nsearch lan\n',
  };
  assert.equal(resolvConf(false, read(files)), 'nameserver 192.168.0.1\nsearch lan\n');
  assert.equal(resolvConf(true, read(files)), 'nameserver 127.0.0.53\n');
});
