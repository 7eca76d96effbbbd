/** The subrequest `frontend.outline` (BuildKit v0.32.2, frontend/subrequests/outline, version 1.0.0). */
import { goJson } from '../../../llb/go_json.ts';
import { convert } from '../convert/convert.ts';
import type { Inputs } from '../convert/conversion.ts';
import type { ArgInfo, OutlineCapture, RequiredInfo } from '../convert/outline_capture.ts';
import type { StageState } from '../convert/stage.ts';
import type { SubrequestResult } from '../contract.ts';
import type { LintWarn } from '../lint/contract.ts';
import { base64, locationJson } from './json.ts';
import { table } from './table.ts';

/**
 * What the target can be given: build arguments, secrets and ssh sockets.
 * @throws DockerfileError when the target does not convert
 */
export async function outline(inputs: Inputs, warn: LintWarn): Promise<SubrequestResult> {
  const { target } = await convert(inputs, { warn });
  const { name, docComment } = target.stage;
  const args = argsOf(target, new Set()).sort(byLine);
  const secrets = requiredOf(target, new Map(), (capture) => capture.secrets).sort(byLine);
  const ssh = requiredOf(target, new Map(), (capture) => capture.ssh).sort(byLine);
  const json = goJson(
    {
      name: nonEmpty(name),
      description: nonEmpty(docComment),
      args: nonEmpty(args.map(argJson)),
      secrets: nonEmpty(secrets.map(requiredJson)),
      ssh: nonEmpty(ssh.map(requiredJson)),
      sources: [base64(inputs.sourceMap.data)],
    },
    '  ',
  );
  return { json, text: print(name, docComment, args, secrets, ssh) };
}

interface Required extends RequiredInfo {
  name: string;
}

function argsOf(stage: StageState, seen: Set<string>): ArgInfo[] {
  const { outline } = stage;
  outline.markDeps();
  const found: ArgInfo[] = [];
  for (const key of outline.usedArgs) {
    const info = outline.args.get(key);
    if (info === undefined || seen.has(key)) continue;
    seen.add(key);
    found.push(info);
  }
  if (stage.base !== undefined) found.push(...argsOf(stage.base, seen));
  for (const dep of stage.deps.keys()) found.push(...argsOf(dep, seen));
  return found;
}

function requiredOf(
  stage: StageState,
  seen: Map<string, true>,
  pick: (capture: OutlineCapture) => ReadonlyMap<string, RequiredInfo>,
): Required[] {
  const found: Required[] = [];
  for (const [name, info] of pick(stage.outline)) {
    if (seen.has(name)) continue;
    seen.set(name, true);
    found.push({ name, ...info });
  }
  if (stage.base !== undefined) found.push(...requiredOf(stage.base, seen, pick));
  for (const dep of stage.deps.keys()) found.push(...requiredOf(dep, seen, pick));
  return found;
}

function byLine(a: ArgInfo | Required, b: ArgInfo | Required): number {
  return (a.location[0]?.start.line ?? 0) - (b.location[0]?.start.line ?? 0);
}

function argJson({ key, description, value, location }: ArgInfo): object {
  return {
    name: key,
    description: nonEmpty(description),
    value: nonEmpty(value),
    location: locationJson(location),
  };
}

function requiredJson({ name, required, location }: Required): object {
  return { name, required: required ? true : undefined, location: locationJson(location) };
}

function print(
  name: string,
  description: string,
  args: readonly ArgInfo[],
  secrets: readonly Required[],
  ssh: readonly Required[],
): string {
  const sections: string[] = [];
  if (name !== '' || description !== '') {
    const rows = [['TARGET:', name === '' ? '(default)' : name]];
    if (description !== '') rows.push(['DESCRIPTION:', description]);
    sections.push(table(rows, 1));
  }
  if (args.length > 0) {
    const rows = args.map(({ key, value, description: text }) => [key, value, text]);
    sections.push(table([['BUILD ARG', 'VALUE', 'DESCRIPTION'], ...rows], 3));
  }
  for (const [title, list] of [['SECRET', secrets] as const, ['SSH', ssh] as const]) {
    if (list.length === 0) continue;
    const rows = list.map(({ name: id, required }) => [id, required ? 'true' : '']);
    sections.push(table([[title, 'REQUIRED'], ...rows], 3));
  }
  return sections.map((section) => `${section}\n`).join('');
}

function nonEmpty<T extends string | readonly unknown[]>(value: T): T | undefined {
  return value.length === 0 ? undefined : value;
}
