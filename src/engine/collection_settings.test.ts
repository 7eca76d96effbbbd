import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GcSettings } from '../cache/policy.ts';
import { parseConfigFile } from '../platform/config_file.ts';
import { collectionSettings } from './collection_settings.ts';

async function settingsOf(text: string): Promise<GcSettings> {
  return collectionSettings(await parseConfigFile(text, '/c.toml'));
}

test('collectionSettings reads sizes in bytes, units of 1024 and percent', async () => {
  assert.deepEqual(
    await settingsOf(`[worker.oci]
      snapshotter = "overlayfs"
      gc = true
      reservedSpace = 123456789
      maxUsedSpace = "10GB"
      minfreespace = "20%"
      [worker.oci.labels]
      foo = "bar"
      [worker.containerd]
      gc = "what is not cairn's may be anything"`),
    {
      enabled: true,
      reservedSpace: { bytes: 123456789 },
      maxUsedSpace: { bytes: 10 * 1024 ** 3 },
      minFreeSpace: { percent: 20 },
    },
  );
  assert.deepEqual(await settingsOf('debug = true'), {});
  assert.deepEqual(await settingsOf('worker.oci.maxUsedSpace = 0\nworker.oci.minFreeSpace = "0%"'), {});
});

test('collectionSettings takes the old name where there is no new one', async () => {
  assert.deepEqual(await settingsOf('worker.oci.gckeepstorage = "1.5g"'), {
    reservedSpace: { bytes: 1.5 * 1024 ** 3 },
  });
  assert.deepEqual(await settingsOf('worker.oci = { gckeepstorage = 5, minFreeSpace = 7 }'), {
    minFreeSpace: { bytes: 7 },
  });
});

test('collectionSettings reads rules', async () => {
  const { rules } = await settingsOf(`
    [[worker.oci.gcpolicy]]
      filters = ["type==source.local,inuse==false", "type==exec.cachemount"]
      keepDuration = "48h"
      maxUsedSpace = "512MB"
    [[worker.oci.gcpolicy]]
      all = true
      keepDuration = 3600
      keepBytes = 5
    [[worker.oci.gcpolicy]]
      keepDuration = "90"
      keepBytes = 5
      reservedSpace = 6`);
  assert.deepEqual(rules, [
    {
      filters: ['type==source.local,inuse==false', 'type==exec.cachemount'],
      keepDuration: 48 * 3_600_000,
      maxUsedSpace: { bytes: 512 * 1024 ** 2 },
    },
    { filters: [], all: true, keepDuration: 3_600_000, reservedSpace: { bytes: 5 } },
    { filters: [], keepDuration: 90_000, reservedSpace: { bytes: 6 } },
  ]);
});

test('collectionSettings names file and key of what it cannot use', async () => {
  const cases: [string, RegExp][] = [
    ['worker = 1', /^\/c\.toml: worker must be a table, \[worker\]$/],
    ['worker.oci = []', /^\/c\.toml: worker\.oci must be a table, \[worker\.oci\]$/],
    ['worker.oci.gc = "yes"', /worker\.oci\.gc must be true or false$/],
    [
      'worker.oci.reservedSpace = "10 apples"',
      /worker\.oci\.reservedSpace must be a size: bytes, "10GB" or "20%"$/,
    ],
    ['worker.oci.maxUsedSpace = -1', /worker\.oci\.maxUsedSpace must be a size/],
    ['worker.oci.minFreeSpace = "-3%"', /worker\.oci\.minFreeSpace must be a size/],
    ['worker.oci.minFreeSpace = true', /worker\.oci\.minFreeSpace must be a number or a string$/],
    ['worker.oci.gcpolicy = "all"', /worker\.oci\.gcpolicy must be tables, \[\[worker\.oci\.gcpolicy\]\]$/],
    [
      '[[worker.oci.gcpolicy]]\nkeepDuration = "2 days"',
      /gcpolicy\.keepDuration must be a duration: seconds or "48h"$/,
    ],
    ['[[worker.oci.gcpolicy]]\nmaxUsed = 1', /worker\.oci\.gcpolicy has no key "maxUsed"$/],
    ['[[worker.oci.gcpolicy]]\nfilters = "type==x"', /gcpolicy\.filters must be a list of strings$/],
    [
      '[[worker.oci.gcpolicy]]\nfilters = ["="]',
      /^\/c\.toml: worker\.oci\.gcpolicy\.filters: filter "=" is not/,
    ],
  ];
  for (const [text, message] of cases) {
    await assert.rejects(settingsOf(text), { code: 'USAGE', message }, text);
  }
});
