import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { startBaseImageRegistry } from './base_images.ts';
import { startGitDaemon } from './git_daemon.ts';
import { startWww } from './www.ts';

test('startBaseImageRegistry serves an image with the digest of the layout', async () => {
  const registry = await startBaseImageRegistry();
  try {
    const out = execFileSync('skopeo', [
      'inspect',
      '--raw',
      '--tls-verify=false',
      `docker://${registry.host}/library/multi:latest`,
    ]);
    const index = JSON.parse(out.toString()) as { manifests: unknown[] };
    assert.equal(index.manifests.length, 3);
  } finally {
    await registry.stop();
  }
});

test('startGitDaemon serves the commit that the golden keys name', async () => {
  const git = await startGitDaemon({ port: 0 });
  try {
    const out = execFileSync('git', ['ls-remote', `${git.url}/app.git`, 'v1'], { encoding: 'utf8' });
    assert.equal(out.split('\t')[0], 'e4eb40e2c19d6f2972d3a6fc6472dd5a75e6ca8f');
  } finally {
    await git.stop();
  }
});

test('startWww sends the Last-Modified that the golden keys name', async () => {
  const www = await startWww({ port: 0 });
  try {
    const response = await fetch(`${www.url}/file.txt`);
    assert.equal(response.headers.get('last-modified'), 'Tue, 14 Nov 2023 22:13:20 GMT');
    assert.equal(response.status, 200);
    assert.equal((await fetch(`${www.url}/no/such`)).status, 404);
  } finally {
    await www.stop();
  }
});
