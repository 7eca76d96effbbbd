/** `--cache-report`: for each step, hit or run, from which cache, and why. */
import type { StepReport } from '../../engine/contract.ts';

/** For programs: every step, and how many of them were found. */
export function reportJson(steps: readonly StepReport[]): string {
  const hits = steps.filter(({ status }) => status === 'hit').length;
  return `${JSON.stringify({ steps, hits, total: steps.length }, undefined, 2)}\n`;
}

/** For people: a line for each step. */
export function reportTable(steps: readonly StepReport[]): string {
  const rows = [
    ['STATUS', 'CACHE', 'STEP', 'REASON'],
    ...steps.map(({ status, cache, name, reason }) => [status, cache ?? '-', name, reason]),
  ];
  const widths = [0, 1, 2].map((column) =>
    Math.min(60, Math.max(...rows.map((row) => (row[column] ?? '').length))),
  );
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column < 3 ? cell.slice(0, 60).padEnd(widths[column] ?? 0) : cell,
      );
      return `${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}
