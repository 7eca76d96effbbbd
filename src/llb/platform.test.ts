import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatPlatform,
  formatPlatformFull,
  normalizePlatform,
  parsePlatform,
  platformOf,
} from './platform.ts';
import { compatiblePlatforms, platformRank, platformsEqual } from './platform_match.ts';

test('parsePlatform reads specifiers and fills in what is missing', () => {
  const rows: [string, string][] = [
    ['linux/amd64', 'linux/amd64'],
    ['Linux/X86_64', 'linux/amd64'],
    ['linux/arm', 'linux/arm'],
    ['linux/arm/7', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/arm64', 'linux/arm64'],
    ['linux/aarch64/v8', 'linux/arm64/v8'],
    ['arm64', 'linux/arm64'],
    ['windows(10.0.17763+win32k)/amd64', 'windows(10.0.17763+win32k)/amd64'],
    ['linux(+a%2Bb)/amd64', 'linux(+a%2Bb)/amd64'],
  ];
  for (const [text, full] of rows) assert.equal(formatPlatformFull(parsePlatform(text)), full, text);
});

test('parsePlatform names the wrong part of a specifier', () => {
  const rows: [string, RegExp][] = [
    ['linux/*', /"linux\/\*": wildcards not yet supported: invalid argument/],
    ['foo', /"foo": unknown operating system or architecture: invalid argument/],
    ['a/b/c/d', /"a\/b\/c\/d": cannot parse platform specifier: invalid argument/],
    ['linux/a!', /"a!" is an invalid component of "linux\/a!"/],
    ['linux(1/amd64', /"linux\(1" is an invalid OS component/],
  ];
  for (const [text, message] of rows) assert.throws(() => parsePlatform(text), message);
});

test('normalizePlatform drops default variants and orders features', () => {
  const normal = (OS: string, Architecture: string, Variant = ''): string =>
    formatPlatform(normalizePlatform(platformOf({ OS, Architecture, Variant })));
  assert.equal(normal('macOS', 'x86-64', 'v1'), 'darwin/amd64');
  assert.equal(normal('linux', 'arm64', 'v8'), 'linux/arm64');
  assert.equal(normal('linux', 'arm64', '9'), 'linux/arm64/v9');
  assert.equal(normal('linux', 'arm'), 'linux/arm/v7');
  const features = normalizePlatform(platformOf({ OS: 'a', Architecture: 'b', OSFeatures: ['y', 'x', 'y'] }));
  assert.deepEqual(features.OSFeatures, ['x', 'y']);
});

test('compatiblePlatforms lists what runs, best first', () => {
  const list = (text: string): string[] => compatiblePlatforms(parsePlatform(text)).map(formatPlatform);
  assert.deepEqual(list('linux/amd64/v3'), [
    'linux/amd64/v3',
    'linux/amd64/v2',
    'linux/amd64/v1',
    'linux/386',
  ]);
  assert.deepEqual(list('linux/arm/v7'), ['linux/arm/v7', 'linux/arm/v6', 'linux/arm/v5']);
  assert.deepEqual(list('linux/arm64'), [
    'linux/arm64/v8',
    'linux/arm/v8',
    'linux/arm/v7',
    'linux/arm/v6',
    'linux/arm/v5',
  ]);
  assert.deepEqual(list('linux/s390x'), ['linux/s390x']);
  assert.deepEqual(list('linux/arm64/v9.1').slice(0, 4), [
    'linux/arm64/v9.1',
    'linux/arm64/v9',
    'linux/arm64/v8.6',
    'linux/arm64/v8.5',
  ]);
});

test('platformRank prefers the nearer variant and refuses foreign ones', () => {
  const rank = (wanted: string, image: string): number =>
    platformRank(parsePlatform(wanted), parsePlatform(image));
  assert.equal(rank('linux/arm64', 'linux/arm64/v8'), 0);
  assert.ok(rank('linux/arm/v7', 'linux/arm/v6') > rank('linux/arm/v7', 'linux/arm/v7'));
  assert.equal(rank('linux/amd64', 'linux/arm64'), -1);
  assert.equal(rank('linux/amd64', 'windows/amd64'), -1);
});

test('platformsEqual compares Windows builds by what the host can run', () => {
  const windows = (OSVersion: string) => platformOf({ OS: 'windows', Architecture: 'amd64', OSVersion });
  assert.ok(platformsEqual(windows('10.0.26100.1'), windows('10.0.20348.1')));
  assert.ok(!platformsEqual(windows('10.0.17763.1'), windows('10.0.20348.1')));
  assert.ok(platformsEqual(windows(''), windows('10.0.1.1')));
});
