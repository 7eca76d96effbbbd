import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPlatform, platformOf } from '../../../llb/platform.ts';
import { checkCaps } from './caps.ts';
import { canonicalIp } from './hosts.ts';
import { ignoresCache, parseOptions } from './options.ts';
import type { FrontendOptions } from './options.ts';

function parse(opts: Record<string, string>): FrontendOptions {
  return parseOptions({ opts, workerPlatforms: [platformOf({ OS: 'linux', Architecture: 'amd64' })] });
}

test('parseOptions reads every attribute', () => {
  const options = parse({
    'build-arg:A': '1',
    'build-arg:BUILDKIT_SANDBOX_HOSTNAME': 'box',
    hostname: 'other',
    'label:x': 'y',
    'add-hosts': 'A=10.0.0.1,"b=::1"',
    ulimit: 'nofile=1:2,nproc=-1',
    memory: '5',
    cpusetcpus: '0-3,7',
    platform: 'linux/ARM64,linux/arm/7',
    'shm-size': '10',
    'force-network-mode': 'none',
  });
  assert.equal(options.buildArgs.get('A'), '1');
  assert.equal(options.hostname, 'box');
  assert.deepEqual(
    options.extraHosts.map(({ Host, IP }) => [Host, IP]),
    [
      ['a', '10.0.0.1'],
      ['b', '::1'],
    ],
  );
  assert.deepEqual(
    options.ulimits.map(({ Soft, Hard }) => [Soft, Hard]),
    [
      [1n, 2n],
      [-1n, -1n],
    ],
  );
  assert.equal(options.linuxResources?.memory, 5n);
  assert.deepEqual(options.targetPlatforms.map(formatPlatform), ['linux/arm64', 'linux/arm/v7']);
  assert.ok(options.multiPlatform);
  assert.equal(options.shmSize, 10n);
});

test('parseOptions says what is wrong with an attribute', () => {
  const rows: [Record<string, string>, RegExp][] = [
    [{ 'shm-size': 'x' }, /failed to parse shm size: strconv\.ParseInt: parsing "x": invalid syntax/],
    [{ 'add-hosts': 'a=b' }, /failed to parse additional hosts: failed to parse IP b/],
    [{ 'add-hosts': '"a' }, /extraneous or missing " in quoted-field/],
    [{ ulimit: 'nofile=2:1' }, /must be less than or equal to hard limit: 2 > 1/],
    [{ ulimit: 'x=1' }, /invalid ulimit type: x/],
    [{ memory: '0' }, /invalid memory value: 0: must be > 0/],
    [{ memswap: '-2' }, /must be -1 \(unlimited\) or > 0/],
    [{ cpusetmems: '3-1' }, /invalid cpusetmems value: 3-1: invalid cpuset range "3-1"/],
    [{ 'multi-platform': 'false', platform: 'linux/amd64,linux/arm64' }, /conflicting config/],
    [{ 'image-resolve-mode': 'x' }, /invalid image-resolve-mode: x/],
    [{ 'attest:sbom': '' }, /SBOM attestations are not supported/],
    [{ 'attest:foo': '' }, /^CairnError: unknown attestation type "foo"$/],
    [{ 'build-arg:BUILDKIT_ATTEST_Foo': 'a' }, /unknown attestation type "foo"/],
    [{ 'attest:sbom': '"' }, /failed to parse sbom: parse error on line 1, column 2: extraneous/],
    [{ 'attest:sbom': 'generator=A B' }, /failed to parse sbom scanner A B: invalid reference format/],
    [{ cpusetcpus: '9223372036854775808' }, /invalid cpuset element "9223372036854775808"/],
  ];
  for (const [opts, message] of rows) assert.throws(() => parse(opts), message);
});

test('ignoresCache knows all stages from some', () => {
  assert.ok(ignoresCache(parse({ 'no-cache': '' }), ''));
  assert.ok(ignoresCache(parse({ 'no-cache': 'a,Third' }), 'third'));
  assert.ok(!ignoresCache(parse({ 'no-cache': 'a' }), 'b'));
  assert.ok(!ignoresCache(parse({}), ''));
});

test('checkCaps lets a missing capability pass only when it may be forwarded', () => {
  assert.equal(checkCaps('moby.buildkit.frontend.inputs').error, undefined);
  assert.equal(checkCaps('x+forward').forward, true);
  assert.equal(checkCaps('x+forward,y').forward, false);
  assert.match(checkCaps('y').error?.message ?? '', /unsupported frontend capability y/);
});

test('canonicalIp prints addresses as Go does', () => {
  assert.equal(canonicalIp('FE80:0:0::1'), 'fe80::1');
  assert.equal(canonicalIp('::ffff:1.2.3.4'), '1.2.3.4');
  assert.equal(canonicalIp('fe80::1%eth0'), undefined);
  assert.equal(canonicalIp('1.2.3'), undefined);
});
