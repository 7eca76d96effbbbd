import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback, proxyFor } from './proxy.ts';

test('proxyFor chooses by scheme and leaves out what NO_PROXY names', () => {
  const env = {
    HTTP_PROXY: 'proxy:3128',
    https_proxy: 'http://secure:3128',
    NO_PROXY: 'example.com, .only.net,10.0.0.0/8,*.star.io,host:8443,[2001:db8::1],192.168.1.1',
  };
  const cases: [string, string | undefined][] = [
    ['http://a.org/', 'http://proxy:3128'],
    ['https://a.org/', 'http://secure:3128'],
    ['https://example.com/', undefined],
    ['https://sub.example.com/', undefined],
    ['https://notexample.com/', 'http://secure:3128'],
    ['https://only.net/', 'http://secure:3128'],
    ['https://a.only.net/', undefined],
    ['https://a.star.io/', undefined],
    ['https://10.1.2.3/', undefined],
    ['https://11.1.2.3/', 'http://secure:3128'],
    ['https://host:8443/', undefined],
    ['https://host/', 'http://secure:3128'],
    ['https://[2001:db8::1]/', undefined],
    ['http://192.168.1.1:5000/', undefined],
    ['http://127.0.0.1:5000/', undefined],
    ['http://localhost:5000/', undefined],
  ];
  for (const [url, expected] of cases) assert.equal(proxyFor(new URL(url), env), expected, url);
  assert.equal(proxyFor(new URL('http://a.org/'), {}), undefined);
});

test('isLoopback knows names, addresses and ports', () => {
  for (const host of ['localhost', 'localhost:5000', '127.0.0.1:1', '127.8.8.8', '[::1]:80', '::1']) {
    assert.equal(isLoopback(host), true, host);
  }
  for (const host of ['localhost.example.com', '128.0.0.1', 'registry', '127.example.com']) {
    assert.equal(isLoopback(host), false, host);
  }
});
