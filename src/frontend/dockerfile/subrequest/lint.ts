/** The subrequest `frontend.lint` (BuildKit v0.32.2, frontend/subrequests/lint, version 1.0.0). */
import { messageOf } from '../../../errors/error.ts';
import type { SourceMap } from '../../../llb/builder/source_map.ts';
import { goJson } from '../../../llb/go_json.ts';
import type { SourceRange } from '../../../progress/events.ts';
import { convert } from '../convert/convert.ts';
import type { Inputs } from '../convert/conversion.ts';
import type { SubrequestResult } from '../contract.ts';
import type { LintWarning } from '../lint/contract.ts';
import { locationsOf } from '../parser/error.ts';
import { excerpt } from './excerpt.ts';
import { locationJson, sourceInfoJson } from './json.ts';

/** Converts the target, or every stage where none is named, and reports what the rules found; never fails. */
export async function lint(inputs: Inputs): Promise<SubrequestResult> {
  const warnings: LintWarning[] = [];
  let failure: { message: string; ranges: SourceRange[] } | undefined;
  try {
    await convert(inputs, {
      warn: (warning) => warnings.push(warning),
      allStages: inputs.options.target === '',
    });
  } catch (error) {
    failure = { message: messageOf(error), ranges: mergeRanges(locationsOf(error) ?? []) };
  }
  const json = goJson(
    {
      warnings: warnings.length === 0 ? null : warnings.map(warningJson),
      sources: [sourceInfoJson(inputs.sourceMap)],
      buildError: failure && { message: failure.message, location: locationJson(failure.ranges) ?? {} },
    },
    '  ',
  );
  return { json, text: printWarnings(warnings, inputs.sourceMap) };
}

function warningJson({ ruleName, description, url, message, location }: LintWarning): object {
  return {
    ruleName,
    description,
    url: url === '' ? undefined : url,
    detail: message,
    location: locationJson(location) ?? {},
  };
}

function printWarnings(warnings: readonly LintWarning[], source: SourceMap): string {
  const line = ({ location }: LintWarning): number => location[0]?.start.line ?? 0;
  return warnings
    .toSorted((a, b) => line(a) - line(b))
    .map(({ ruleName, url, message, location }) => {
      const head = `\nWARNING: ${ruleName}${url === '' ? '' : ` - ${url}`}\n${message}\n`;
      return head + excerpt(source.filename, source.data, location);
    })
    .join('');
}

/** All ranges in the order of their lines, overlapping ones as one. */
function mergeRanges(locations: readonly (readonly SourceRange[])[]): SourceRange[] {
  const merged: SourceRange[] = [];
  for (const range of locations.flat().sort((a, b) => a.start.line - b.start.line)) {
    const last = merged.at(-1);
    if (last === undefined || range.start.line > last.end.line) merged.push(range);
    else {
      const end = { ...last.end, line: Math.max(last.end.line, range.end.line) };
      merged[merged.length - 1] = { start: last.start, end };
    }
  }
  return merged;
}
