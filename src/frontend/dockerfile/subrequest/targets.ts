/** The subrequest `frontend.targets` (BuildKit v0.32.2, frontend/subrequests/targets, version 1.0.0). */
import { goJson } from '../../../llb/go_json.ts';
import type { SourceMap } from '../../../llb/builder/source_map.ts';
import type { SubrequestResult } from '../contract.ts';
import { parseStages } from '../instructions/parse.ts';
import type { Stage } from '../instructions/types.ts';
import { parseDockerfile } from '../parser/parser.ts';
import { base64, locationJson } from './json.ts';
import { table } from './table.ts';

/**
 * The stages of a Dockerfile as written; nothing is expanded or resolved.
 * @throws DockerfileError when it does not parse
 */
export function targets({ data }: SourceMap): SubrequestResult {
  const { stages } = parseStages(parseDockerfile(data).instructions);
  const isDefault = (stage: Stage): boolean => stage === stages.at(-1);
  const json = goJson(
    {
      targets: stages.length === 0 ? null : stages.map((stage) => targetJson(stage, isDefault(stage))),
      sources: [base64(data)],
    },
    '  ',
  );
  const rows = stages.map((stage) => [shownName(stage, isDefault(stage)), stage.docComment]);
  return { json, text: table([['TARGET', 'DESCRIPTION'], ...rows], 1) };
}

function targetJson({ name, docComment, baseName, platform, location }: Stage, isDefault: boolean): object {
  return {
    name: nonEmpty(name),
    default: isDefault ? true : undefined,
    description: nonEmpty(docComment),
    base: nonEmpty(baseName),
    platform: nonEmpty(platform),
    location: locationJson(location),
  };
}

function shownName({ name }: Stage, isDefault: boolean): string {
  if (!isDefault) return name;
  return name === '' ? '(default)' : `${name} (default)`;
}

function nonEmpty(text: string): string | undefined {
  return text === '' ? undefined : text;
}
