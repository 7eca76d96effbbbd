/** What people and programs see of a build while it runs: `--progress` and its modes. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Outcome } from './cairn.ts';
import { cairnAndRegistry } from './cairn_and_registry.ts';

const { cairn } = await cairnAndRegistry();

const LAUNCHER = join(import.meta.dirname, '../../bin/cairn.js');

const project = (content: Record<string, string>): string => cairn.project(content);

async function succeed(args: string[]): Promise<Outcome> {
  const outcome = await cairn.run(['build', ...args]);
  assert.equal(outcome.code, 0, `${args.join(' ')}:\n${outcome.stderr}`);
  return outcome;
}

interface Vertex {
  digest: string;
  name: string;
}
interface Line {
  vertexes?: Vertex[];
  statuses?: { id: string; vertex: string; completed?: string }[];
  logs?: { vertex: string; data: string }[];
}

/** The events of a build as rawjson. */
async function events(args: string[]): Promise<Line[]> {
  const { stderr } = await succeed(['--progress=rawjson', ...args]);
  return stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

test('plain has the lines of BuildKit for the transfer of contexts', async () => {
  const directory = project({
    Dockerfile: 'FROM busybox\nCOPY a b /\nCOPY --from=lib x /\n',
    '.dockerignore': '*.log\n',
    a: 'four',
    b: 'six six',
  });
  const lib = project({ x: 'x' });
  const { stderr } = await succeed(['--progress=plain', '--build-context', `lib=${lib}`, directory]);
  for (const line of [
    /^#\d+ \[internal\] load build definition from Dockerfile\n#\d+ transferring dockerfile: 44B done$/m,
    /^#\d+ \[internal\] load \.dockerignore\n#\d+ transferring context: 6B done$/m,
    /^#\d+ \[internal\] load build context\n#\d+ transferring context: 11B done$/m,
    /^#\d+ \[context lib\] load from client\n#\d+ transferring lib: 1B done$/m,
  ]) {
    assert.match(stderr, line);
  }
});

test('rawjson: events name vertices that were announced, and all that began has ended', async () => {
  const directory = project({ Dockerfile: 'FROM alpine:3.20\nRUN echo to-the-log\n' });
  const lines = await events(['--no-cache', directory]);
  const known = new Map<string, string>();
  const open = new Set<string>();
  for (const { vertexes = [], statuses = [], logs = [] } of lines) {
    for (const { digest, name } of vertexes) known.set(digest, name);
    for (const { vertex } of [...statuses, ...logs]) assert.ok(known.has(vertex), vertex);
    for (const { id, vertex, completed } of statuses) {
      if (completed === undefined) open.add(`${vertex} ${id}`);
      else open.delete(`${vertex} ${id}`);
    }
  }
  assert.deepEqual([...open], []);
  // Whoever needs the files first, it is the image that is downloaded and unpacked.
  const pulled = lines.flatMap(({ statuses = [] }) => statuses).filter(({ id }) => /sha256:/.test(id));
  assert.ok(pulled.some(({ id }) => id.startsWith('extracting sha256:')));
  for (const { id, vertex } of pulled) {
    assert.match(known.get(vertex) ?? '', /^\[1\/2\] FROM docker\.io\/library\/alpine/, id);
  }
  const logs = lines.flatMap((line) => line.logs ?? []);
  assert.equal(Buffer.from(logs[0]?.data ?? '', 'base64').toString(), 'to-the-log\n');
});

describe('--progress', () => {
  test('plain, rawjson, quiet and none write what they are for', async () => {
    const directory = project({ Dockerfile: 'FROM busybox\nRUN echo to-the-log\n' });
    const by = async (mode: string) =>
      (await succeed([`--progress=${mode}`, '--no-cache', directory])).stderr;
    assert.match(await by('plain'), /^#\d+ \d+\.\d+ to-the-log$/m);
    for (const line of (await by('rawjson')).trim().split('\n')) JSON.parse(line);
    assert.doesNotMatch(await by('quiet'), /to-the-log|#1/);
    assert.doesNotMatch(await by('none'), /to-the-log|#1/);
  });
});

test('--progress=tty and auto draw on a terminal; on none tty is refused', async (t) => {
  const directory = project({ Dockerfile: 'FROM busybox\nRUN echo to-the-log\n' });
  const { code, stderr } = await cairn.run(['build', '--progress=tty', directory]);
  assert.equal(code, 1);
  assert.match(stderr, /^ERROR: (failed to build: failed to solve: )?failed to get console: /m);
  if (spawnSync('which', ['script']).status !== 0) {
    t.skip('script is not installed');
    return;
  }
  for (const mode of ['tty', 'auto']) {
    const command = [process.execPath, LAUNCHER, 'build', `--progress=${mode}`, '--no-cache', directory].join(
      ' ',
    );
    const text = execFileSync('script', ['-qec', command, '/dev/null'], {
      env: {
        ...process.env,
        TERM: 'xterm',
        CAIRN_ROOT: cairn.store,
        CAIRN_CONFIG: join(cairn.directory, 'cairn.toml'),
      },
      stdio: ['ignore', 'pipe', 'ignore'],
      encoding: 'utf8',
    });
    assert.match(text, /\[\+\] Building .*FINISHED/, mode);
  }
});
