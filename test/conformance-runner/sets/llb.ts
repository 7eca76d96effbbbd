/** The set `llb`: Dockerfile to LLB, image config, errors, warnings and the answers of the subrequests. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ConformanceCase, ConformanceSet } from '../contract.ts';
import { firstDifference } from '../difference.ts';
import { LayoutImages } from '../layout_images.ts';
import { caseGateway, type LlbCase } from '../llb_case.ts';
import { answer, type CaseResult } from '../llb_result.ts';

/** Directories of cases. */
const KINDS = ['cases', 'errors', 'lint'];

interface Expected extends Record<string, unknown> {
  error?: { message: string; messageAlternatives?: string[] };
  resolveImageConfig?: unknown[];
}

export const set: ConformanceSet = {
  cases(dir) {
    const root = join(dir, 'llb');
    if (!existsSync(root)) return undefined;
    const cases: ConformanceCase[] = [];
    for (const kind of KINDS.filter((name) => existsSync(join(root, name)))) {
      for (const name of readdirSync(join(root, kind)).sort()) {
        cases.push({ name, run: () => run(join(root, kind, name), dir) });
      }
    }
    return cases;
  },
};

async function run(dir: string, root: string): Promise<string | undefined> {
  const one = JSON.parse(readFileSync(join(dir, 'case.json'), 'utf8')) as LlbCase;
  const expected = JSON.parse(readFileSync(join(dir, 'expected.json'), 'utf8')) as Expected;
  const images = new LayoutImages(join(root, 'base-images/layout'));
  const actual = await answer(() => caseGateway(dir, one, images));
  const { buildkit: _, ...golden } = expected;
  const alternatives = expected.error?.messageAlternatives ?? [];
  return firstDifference(normalize(golden, alternatives), normalize(toPlain(actual), alternatives));
}

/** Without undefined values and prototypes. */
function toPlain(result: CaseResult): Record<string, unknown> {
  return JSON.parse(JSON.stringify(result)) as Record<string, unknown>;
}

/**
 * What BuildKit leaves open, made equal: the order of image look-ups and of several ARGs of one instruction, and
 * which of several suggestions an error makes.
 */
function normalize(result: Record<string, unknown>, alternatives: readonly string[]): unknown {
  const copy = replaceAlternatives(result, alternatives) as Record<string, unknown>;
  const lookups = copy['resolveImageConfig'];
  if (Array.isArray(lookups)) copy['resolveImageConfig'] = sortByText(lookups);
  const outline = copy['outline'] as { args?: unknown[] } | undefined;
  if (outline?.args !== undefined) outline.args = sortByText(outline.args);
  return copy;
}

function replaceAlternatives(value: unknown, alternatives: readonly string[]): unknown {
  if (typeof value === 'string') return alternatives.includes(value) ? alternatives[0] : value;
  if (Array.isArray(value)) return value.map((item) => replaceAlternatives(item, alternatives));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'messageAlternatives')
      .map(([key, item]) => [key, replaceAlternatives(item, alternatives)]),
  );
}

function sortByText(list: readonly unknown[]): unknown[] {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, inner: unknown) =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
    );
  return list.toSorted((a, b) => (text(a) < text(b) ? -1 : 1));
}
