/**
 * The conformance command: `npm run conformance -- [DIR] [--set a,b] [--case NAME] [--json]`. Prints the first
 * difference of each case that is not equal, then a table; exits 1 when any case differs and 2 on wrong usage.
 */
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SETS } from './contract.ts';
import type { ConformanceSet, SetName } from './contract.ts';

interface Differing {
  case: string;
  difference: string;
}

interface SetReport {
  set: SetName;
  /** `run`, or why nothing was compared. */
  status: 'run' | 'absent' | 'unsupported';
  cases: number;
  equal: number;
  different: Differing[];
}

const USAGE = `usage: npm run conformance -- [DIR] [--set ${SETS.join(',')}] [--case NAME] [--json]`;

async function main(): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      allowPositionals: true,
      options: { set: { type: 'string' }, case: { type: 'string' }, json: { type: 'boolean' } },
    });
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return 2;
  }
  const { values, positionals } = parsed;
  const dir = resolve(positionals[0] ?? join(import.meta.dirname, '../conformance'));
  if (positionals.length > 1 || !statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
    console.error(`${dir} is not a directory\n${USAGE}`);
    return 2;
  }
  const wanted = values.set?.split(',') ?? SETS;
  const unknown = wanted.find((name) => !isSetName(name));
  if (unknown !== undefined) {
    console.error(`unknown set ${unknown}\n${USAGE}`);
    return 2;
  }
  const reports: SetReport[] = [];
  for (const name of SETS.filter((set) => wanted.includes(set))) {
    reports.push(await runSet(name, dir, values.case, values.json !== true));
  }
  if (values.case !== undefined && reports.every((report) => report.cases === 0)) {
    console.error(`no case ${values.case} in ${dir}`);
    return 2;
  }
  if (values.json === true) console.log(JSON.stringify(reports, undefined, 2));
  else printTable(reports);
  return reports.some((report) => report.different.length > 0) ? 1 : 0;
}

function isSetName(name: string): name is SetName {
  return SETS.some((set) => set === name);
}

async function runSet(
  name: SetName,
  dir: string,
  only: string | undefined,
  print: boolean,
): Promise<SetReport> {
  const report: SetReport = { set: name, status: 'run', cases: 0, equal: 0, different: [] };
  if (!existsSync(join(import.meta.dirname, `sets/${name}.ts`))) return { ...report, status: 'unsupported' };
  const { set } = (await import(`./sets/${name}.ts`)) as { set: ConformanceSet };
  const cases = set.cases(dir);
  if (cases === undefined) return { ...report, status: 'absent' };
  try {
    const waiting = cases.filter((candidate) => only === undefined || candidate.name === only).values();
    const lane = async (): Promise<void> => {
      for (const one of waiting) {
        report.cases++;
        const difference = await one.run().catch((error: unknown) => describeThrow(error));
        if (difference === undefined) {
          report.equal++;
          continue;
        }
        report.different.push({ case: one.name, difference });
        if (print) console.log(`${name}/${one.name}: ${difference}\n`);
      }
    };
    await Promise.all(Array.from({ length: set.parallel ?? 1 }, lane));
  } finally {
    await set.close?.();
  }
  return report;
}

function describeThrow(error: unknown): string {
  return `the run threw\n  ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

function printTable(reports: readonly SetReport[]): void {
  const reasons = { absent: 'absent from the directory', unsupported: 'not run by this version' };
  console.log('set          cases   equal   different');
  for (const report of reports) {
    const cells =
      report.status === 'run'
        ? [report.cases, report.equal, report.different.length].map((n) => String(n).padEnd(8)).join('')
        : reasons[report.status];
    console.log(`${report.set.padEnd(13)}${cells.trimEnd()}`);
  }
}

process.exitCode = await main();
