import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { forwardAgent } from './agent_socket.ts';

test('forwardAgent connects a socket of a long name to the agent, both ways', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-agent-socket-'));
  const agentPath = join(directory, 'agent');
  const agent = createServer({ allowHalfOpen: true }, (socket) => {
    void text(socket).then((question) => socket.end(`answer to ${question}`));
  }).listen(agentPath);
  const long = join(directory, 'x'.repeat(120));
  mkdirSync(long);
  const forwarded = await forwardAgent(join(long, 'agent'), {
    socketPath: agentPath,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    mode: 0o640,
  });
  const before = process.cwd();
  try {
    assert.equal(statSync(forwarded.path).mode & 0o777, 0o640);
    // From inside its directory, as a step sees it under a short name.
    process.chdir(long);
    const socket = connect({ path: 'agent', allowHalfOpen: true });
    socket.end('question');
    assert.equal(await text(socket), 'answer to question');
  } finally {
    process.chdir(before);
    await forwarded.close();
    agent.close();
  }
  assert(!existsSync(forwarded.path));
  rmSync(directory, { recursive: true });
});
