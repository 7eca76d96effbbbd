/**
 * Caches of every backend: export, export again, and import into an empty store with push, as whole commands; cairn,
 * and BuildKit beside it in the same run where `buildkitd` and `docker-buildx` are in PATH. The two take turns.
 * All servers are behind a link that counts requests and bytes, and adds latency.
 *
 *   npm run bench:caches -- [--backend NAME,…] [--rounds N] [--latency 0,50] [--size MiB] [--layers N] [--json FILE]
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBaseImageRegistry } from '../../test/servers/base_images.ts';
import { buildkitTool, cairnTool, type Tool } from '../build/tools.ts';
import { startLink, type Link } from './link.ts';
import { BACKENDS, type Backend } from './places.ts';
import { mark, writeProject } from './project.ts';

const { values } = parseArgs({
  options: {
    backend: { type: 'string', default: BACKENDS.map(({ name }) => name).join(',') },
    rounds: { type: 'string', default: '1' },
    latency: { type: 'string', default: '0,50' },
    size: { type: 'string', default: '500' },
    layers: { type: 'string', default: '30' },
    json: { type: 'string' },
  },
});

const COMMANDS = ['export', 'export again', 'import, all hits', 'import, last misses'] as const;
type Command = (typeof COMMANDS)[number];

interface Measured {
  backend: string;
  latency: number;
  command: Command;
  tool: string;
  seconds: number;
  cpuSeconds: number;
  /** With the milliseconds from the start of the command. */
  requests: string[];
  up: number;
  down: number;
  /** Processes that ran or were ready to, on average over the last minute. */
  load: number;
}

const work = mkdtempSync(join(tmpdir(), 'cairn-bench-'));
const directory = join(work, 'context');
const size = { mebibytes: Number(values.size), layers: Number(values.layers) };
const registry = await startBaseImageRegistry();
const registryLink = await startLink(registry.host);
const tools: Tool[] = [cairnTool(work)];
const buildkit = buildkitTool(work);
if (buildkit === undefined) console.log('buildkitd or docker-buildx is not in PATH: cairn alone');
else tools.push(buildkit);

const measured: Measured[] = [];
try {
  writeProject(directory, `${registryLink.host}/library/busybox:latest`, size);
  for (const name of values.backend.split(',')) {
    const backend = BACKENDS.find((each) => each.name === name);
    if (backend === undefined) throw new Error(`no backend ${name}`);
    if (backend.skip) {
      console.log(`${name}: ${backend.skip}`);
      continue;
    }
    for (const latency of values.latency.split(',').map(Number)) {
      for (let round = 0; round < Number(values.rounds); round++) {
        for (const tool of round % 2 === 0 ? tools : tools.toReversed()) {
          await measure(tool, backend, latency, round);
        }
      }
      for (const command of COMMANDS) print(name, latency, command);
      if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(measured, undefined, 1));
    }
  }
} finally {
  for (const tool of tools) await tool.stop();
  await registryLink.stop();
  await registry.stop();
  rmSync(work, { recursive: true, force: true });
}

/** All commands with one cache, from an empty server and an empty store. */
async function measure(tool: Tool, backend: Backend, latency: number, round: number): Promise<void> {
  const image = `${registryLink.host}/bench/${tool.name.toLowerCase()}-${backend.name}-${latency}-${round}`;
  const place = await backend.open(registryLink, image);
  const placeLink = place.host === undefined ? undefined : await startLink(place.host);
  const links = placeLink === undefined ? [registryLink] : [registryLink, placeLink];
  const { to, from } = place.entries(placeLink?.host ?? '');
  const run = async (command: Command, args: string[], hits: number): Promise<void> => {
    for (const link of links) link.take();
    for (const link of links) link.latency = latency;
    const started = performance.now();
    const { seconds, cpuSeconds, output } = await tool.build(directory, args);
    for (const link of links) link.latency = 0;
    checkHits(output, hits, `${tool.name}: ${backend.name}, ${command}`);
    const traffic = links.map((link: Link) => link.take());
    measured.push({
      backend: backend.name,
      latency,
      command,
      tool: tool.name,
      seconds,
      cpuSeconds,
      requests: traffic
        .flatMap(({ requests }) => requests)
        .toSorted((a, b) => a.at - b.at)
        .map(({ at, line }) => `${Math.round(at - started)} ${line}`),
      up: traffic.reduce((sum, { up }) => sum + up, 0),
      down: traffic.reduce((sum, { down }) => sum + down, 0),
      load: loadavg()[0] ?? Number.NaN,
    });
  };
  try {
    mark(directory, 'first');
    await tool.reset();
    // What the steps cost is not measured, nor are blobs made: the export does that.
    await tool.build(directory, ['--output', 'type=cacheonly']);
    const output = backend.inline === true ? ['--push', '-t', image] : ['--output', 'type=cacheonly'];
    const exporting = [...output, '--cache-to', to];
    await run('export', exporting, size.layers);
    await run('export again', exporting, size.layers);
    // An inline cache knows the steps of the image alone.
    const hits = backend.inline === true ? Math.ceil((size.layers - 3) / 2) + 2 : size.layers - 1;
    await tool.reset();
    await run('import, all hits', ['--push', '-t', `${image}-hits`, '--cache-from', from], hits);
    mark(directory, `second ${latency} ${round} ${tool.name}`);
    await tool.reset();
    await run('import, last misses', ['--push', '-t', `${image}-miss`, '--cache-from', from], hits - 1);
  } finally {
    await placeLink?.stop();
    await place.stop();
  }
}

/** A program that does not do what is measured is not measured. */
function checkHits(output: string, hits: number, what: string): void {
  const cached = new Set(output.match(/^#\d+ CACHED$/gm)).size;
  if (cached < hits) throw new Error(`${what}: ${cached} hits of ${hits}:\n${output}`);
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function print(backend: string, latency: number, command: Command): void {
  const cells = tools.map(({ name }) => {
    const all = measured.filter(
      (each) =>
        each.backend === backend &&
        each.latency === latency &&
        each.command === command &&
        each.tool === name,
    );
    const of = (pick: (each: Measured) => number): number => median(all.map(pick));
    const [up, down] = [mebibytes(of((each) => each.up)), mebibytes(of((each) => each.down))];
    const seconds = of((each) => each.seconds);
    const text = [
      `${name} ${seconds.toFixed(2).padStart(6)} s`,
      `${of((each) => each.cpuSeconds)
        .toFixed(2)
        .padStart(5)} s CPU`,
      `${String(of((each) => each.requests.length)).padStart(4)} requests`,
      `${up.padStart(6)} up ${down.padStart(6)} MiB down`,
    ];
    return { seconds, text: text.join(' ') };
  });
  const [ours, theirs] = cells;
  const ratio =
    ours === undefined || theirs === undefined ? '' : `  ratio ${(ours.seconds / theirs.seconds).toFixed(2)}`;
  const load = Math.max(...measured.slice(-COMMANDS.length * tools.length).map((each) => each.load));
  console.log(
    `${`${backend}, ${latency} ms, ${command}`.padEnd(36)} ${cells.map(({ text }) => text).join(' | ')}${ratio}  load ${load.toFixed(0)}`,
  );
}
