/**
 * Whole builds with push to a registry on loopback: cairn, and BuildKit beside it in the same run where
 * `buildkitd` and `docker-buildx` are in PATH. The two take turns; printed are medians and their ratio.
 *
 *   npm run bench:build -- [--rounds N] [--only TEXT] [--json FILE]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startBaseImageRegistry } from '../../test/servers/base_images.ts';
import { SCENARIOS } from './scenarios.ts';
import { buildkitTool, cairnTool, type Tool } from './tools.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, only: { type: 'string' }, json: { type: 'string' } },
});
const rounds = Number(values.rounds);

const median = (numbers: number[]) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

interface Row {
  scenario: string;
  build: string;
  aim: string;
  seconds: Record<string, number>;
  memoryMiB: Record<string, number>;
}

const work = mkdtempSync(join(tmpdir(), 'cairn-bench-'));
const registry = await startBaseImageRegistry();
const tools: Tool[] = [cairnTool(work)];
const buildkit = buildkitTool(work);
if (buildkit === undefined) console.log('buildkitd or docker-buildx is not in PATH: cairn alone');
else tools.push(buildkit);

const rows: Row[] = [];
try {
  for (const scenario of SCENARIOS) {
    if (values.only !== undefined && !scenario.name.includes(values.only)) continue;
    const directory = join(work, 'context');
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
    scenario.prepare(directory, `${registry.host}/library/busybox:latest`);
    const samples = scenario.builds.map(() => new Map<string, { seconds: number; memoryMiB: number }[]>());
    for (let round = 0; round < rounds; round++) {
      for (const tool of round % 2 === 0 ? tools : tools.toReversed()) {
        await tool.reset();
        for (const [index, build] of scenario.builds.entries()) {
          build.change?.(directory);
          const image = `${registry.host}/bench/${tool.name.toLowerCase()}-${round}-${rows.length}:latest`;
          const sample = await tool.build(directory, ['--push', '-t', image]);
          samples[index]?.set(tool.name, [...(samples[index].get(tool.name) ?? []), sample]);
        }
      }
    }
    for (const [index, build] of scenario.builds.entries()) {
      const of = (pick: 'seconds' | 'memoryMiB') =>
        Object.fromEntries(
          [...(samples[index] ?? [])].map(([name, list]) => [name, median(list.map((one) => one[pick]))]),
        );
      const row = {
        scenario: scenario.name,
        build: build.name,
        aim: build.aim,
        seconds: of('seconds'),
        memoryMiB: of('memoryMiB'),
      };
      rows.push(row);
      print(row);
    }
  }
} finally {
  for (const tool of tools) await tool.stop();
  await registry.stop();
  rmSync(work, { recursive: true, force: true });
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(rows, undefined, 2));

function print({ scenario, build, aim, seconds, memoryMiB }: Row): void {
  const cells = tools.map(
    ({ name }) => `${name} ${seconds[name]?.toFixed(2)} s ${memoryMiB[name]?.toFixed(0)} MiB`,
  );
  const ratio =
    seconds['BuildKit'] === undefined
      ? ''
      : `  ratio ${((seconds['cairn'] ?? Number.NaN) / seconds['BuildKit']).toFixed(2)}`;
  console.log(`${`${scenario}, ${build}`.padEnd(36)} ${cells.join('  ')}${ratio}  (aim: ${aim})`);
}
