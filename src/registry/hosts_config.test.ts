import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointsFor } from './endpoints.ts';
import type { RegistryHosts } from './endpoints.ts';
import { parseConfigFile } from '../platform/config_file.ts';
import { registryHosts } from './hosts_config.ts';

const PATH = '/etc/cairn/cairn.toml';

async function hostsOf(text: string): Promise<RegistryHosts> {
  return registryHosts(await parseConfigFile(text, PATH));
}

test('registryHosts reads the tables of a buildkitd.toml and leaves the rest alone', async () => {
  const hosts = await hostsOf(
    `debug = true
    [worker.oci]
      gc = false
    [registry."docker.io"]
      mirrors = ["mirror.example.com/hub/", "127.0.0.1:5000"]
    [registry."127.0.0.1:5000"]
      http = false
    [registry."mirror.example.com"]
      insecure = true
      ca = ["ca.pem", "/abs/ca.pem"]
      [[registry."mirror.example.com".keypair]]
        key = "k.pem"
        cert = "c.pem"`,
  );
  assert.deepEqual([...hosts.keys()], ['docker.io', '127.0.0.1:5000', 'mirror.example.com']);
  assert.deepEqual(hosts.get('mirror.example.com'), {
    mirrors: [],
    insecure: true,
    ca: ['/etc/cairn/ca.pem', '/abs/ca.pem'],
    keyPairs: [{ key: '/etc/cairn/k.pem', cert: '/etc/cairn/c.pem' }],
  });
  const endpoints = endpointsFor('docker.io', hosts);
  assert.deepEqual(
    endpoints.map(({ scheme, host, path, namespace }) => ({ url: `${scheme}://${host}${path}`, namespace })),
    [
      { url: 'https://mirror.example.com/v2/hub', namespace: 'docker.io' },
      { url: 'https://127.0.0.1:5000/v2', namespace: 'docker.io' },
      { url: 'https://registry-1.docker.io/v2', namespace: undefined },
    ],
  );
  assert.equal(endpoints[0]?.tls.insecure, true);
});

test('registryHosts names file and key of what it cannot use', async () => {
  const cases: [string, RegExp][] = [
    ['[registry."a"]\nmirror = []', /^\/etc\/cairn\/cairn.toml: registry."a" has no key "mirror"$/],
    ['[registry."a"]\nhttp = "yes"', /registry."a".http must be true or false/],
    ['[registry."a"]\nmirrors = "x"', /registry."a".mirrors must be a list of strings/],
    ['registry = 1', /registry must be a table for each host/],
  ];
  for (const [text, message] of cases) {
    await assert.rejects(hostsOf(text), { code: 'USAGE', message });
  }
});

test('endpointsFor speaks http to loopback, https to others, and both ways when insecure', () => {
  const scheme = (host: string, insecure = false): string => {
    const [endpoint] = endpointsFor(host, new Map(), { insecure });
    return `${endpoint?.scheme}${endpoint?.fallback === true ? ' or http' : ''}`;
  };
  assert.equal(scheme('localhost:5000'), 'http');
  assert.equal(scheme('127.0.0.1:5000'), 'http');
  assert.equal(scheme('[::1]:5000'), 'http');
  assert.equal(scheme('r.example.com'), 'https');
  assert.equal(scheme('r.example.com', true), 'https or http');
});

test('endpointsFor pushes to the host itself only', () => {
  const hosts = new Map([['r.io', { mirrors: ['m.io'], ca: [], keyPairs: [] }]]);
  assert.deepEqual(
    endpointsFor('r.io', hosts, { forPush: true }).map((endpoint) => endpoint.host),
    ['r.io'],
  );
});
