import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configPaths, loadConfigFile, parseConfigFile } from './config_file.ts';

test('configPaths asks CAIRN_CONFIG alone where it is set', () => {
  assert.deepEqual(configPaths({ CAIRN_CONFIG: '/x', HOME: '/h' }), ['/x']);
  assert.deepEqual(configPaths({ HOME: '/h' }), ['/h/.config/cairn/cairn.toml', '/etc/cairn/cairn.toml']);
});

test('a file that is named must be there, and be TOML', async () => {
  await assert.rejects(loadConfigFile({ CAIRN_CONFIG: '/nowhere/c.toml' }), {
    code: 'USAGE',
    message: /^cannot read configuration file \/nowhere\/c\.toml: /,
  });
  await assert.rejects(parseConfigFile('[registry', '/c.toml'), { code: 'USAGE', message: /^\/c\.toml: / });
});
