/** `--cache-report`: for each step, hit or run, from which cache, and why. */
import type { StepReport } from '../../engine/contract.ts';
import { replaceFile } from '../../platform/replace_file.ts';

/** JSON into a file; a table on stdout for `-`. */
export function writeCacheReport(target: string, steps: StepReport[]): void {
  if (target !== '-') {
    const hits = steps.filter(({ status }) => status === 'hit').length;
    replaceFile(target, `${JSON.stringify({ steps, hits, total: steps.length }, undefined, 2)}\n`);
    return;
  }
  const rows = [
    ['STATUS', 'CACHE', 'STEP', 'REASON'],
    ...steps.map(({ status, cache, name, reason }) => [status, cache ?? '-', name, reason]),
  ];
  const widths = [0, 1, 2].map((column) =>
    Math.min(60, Math.max(...rows.map((row) => (row[column] ?? '').length))),
  );
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column < 3 ? cell.slice(0, 60).padEnd(widths[column] ?? 0) : cell,
    );
    process.stdout.write(`${cells.join('  ').trimEnd()}\n`);
  }
}
