/** `-o/--output`, `--push` and `--load` as exporters and places on the client. */
import { statSync } from 'node:fs';
import { CairnError } from '../../errors/error.ts';
import type { TypedAttrs } from '../../engine/contract.ts';
import type { OutputPlace } from '../../drivers/contract.ts';
import { didYouMean } from '../../errors/suggest.ts';
import { parseBool } from '../go_values.ts';
import { csvFields, csvPairs } from './csv.ts';

export const EXPORTER_TYPES = ['cacheonly', 'docker', 'image', 'local', 'oci', 'registry', 'tar'];

export interface Output {
  export: TypedAttrs;
  place: OutputPlace;
}

export interface OutputFlags {
  outputs: string[];
  push: boolean;
  load: boolean;
  /** Whether stdout is a terminal: nothing binary is written to one. */
  stdoutIsTerminal: boolean;
}

/** @throws CairnError USAGE for an unknown type, a missing or unfit destination, two outputs on stdout */
export function parseOutputs(flags: OutputFlags): Output[] {
  const outputs = flags.outputs
    .filter((value) => value !== '')
    .map((value) => place(parseEntry(value), flags));
  if (outputs.filter(({ place: { kind } }) => kind === 'stdout').length > 1) {
    throw new CairnError('multiple outputs configured to write to stdout', { code: 'USAGE' });
  }
  if (flags.push) {
    const images = outputs.filter(({ export: { type } }) => type === 'image');
    for (const {
      export: { attrs },
    } of images) {
      attrs['push'] = 'true';
      attrs['unpack'] ??= 'false';
    }
    if (images.length === 0) {
      outputs.push({
        export: { type: 'image', attrs: { push: 'true', unpack: 'false' } },
        place: { kind: 'none' },
      });
    }
  }
  if (
    flags.load &&
    !outputs.some(({ export: { type }, place: { kind } }) => type === 'docker' && kind === 'load')
  ) {
    outputs.push({ export: { type: 'docker', attrs: {} }, place: { kind: 'load', command: [] } });
  }
  return outputs;
}

interface Entry {
  type: string;
  attrs: Record<string, string>;
  dest: string;
}

function parseEntry(value: string): Entry {
  const fields = csvFields(value, '--output');
  if (fields.length === 1 && fields[0] === value && !value.startsWith('type=')) {
    return { type: value === '-' ? 'tar' : 'local', attrs: {}, dest: value };
  }
  const entry: Entry = { type: '', attrs: {}, dest: '' };
  for (const [key, text] of csvPairs(value, '--output')) {
    if (key === 'type') entry.type = text;
    else if (key === 'dest') entry.dest = text;
    else entry.attrs[key] = text;
  }
  if (entry.type === '')
    throw new CairnError(`type is required for output ${JSON.stringify(value)}`, { code: 'USAGE' });
  if (!EXPORTER_TYPES.includes(entry.type)) {
    throw new CairnError(
      `unknown output type ${JSON.stringify(entry.type)} in --output ${JSON.stringify(value)}`,
      {
        code: 'USAGE',
        hint: didYouMean(entry.type, EXPORTER_TYPES) ?? `types are ${EXPORTER_TYPES.join(', ')}`,
      },
    );
  }
  return entry;
}

function place({ type, attrs, dest }: Entry, { stdoutIsTerminal }: OutputFlags): Output {
  if (type === 'registry') {
    return {
      export: { type: 'image', attrs: { unpack: 'false', ...attrs, push: 'true' } },
      place: { kind: 'none' },
    };
  }
  const isTar = parseBool(attrs['tar'] ?? '') ?? true;
  const wantsDirectory = type === 'local' || ((type === 'oci' || type === 'docker') && !isTar);
  const wantsFile = type === 'tar' || ((type === 'oci' || type === 'docker') && isTar);
  const entry = { type, attrs };
  if (wantsDirectory) {
    if (dest === '') throw new CairnError(`dest is required for ${type} exporter`, { code: 'USAGE' });
    if (dest === '-') throw new CairnError(`dest cannot be stdout for ${type} exporter`, { code: 'USAGE' });
    const found = statSync(dest, { throwIfNoEntry: false });
    if (found !== undefined && !found.isDirectory()) {
      throw new CairnError(`destination directory ${dest} is a file`, { code: 'USAGE' });
    }
    return { export: entry, place: { kind: 'directory', path: dest } };
  }
  if (!wantsFile) {
    if (dest !== '') throw new CairnError(`dest has no meaning for ${type} exporter`, { code: 'USAGE' });
    return { export: entry, place: { kind: 'none' } };
  }
  if (dest === '' && type === 'docker') {
    const { context, ...rest } = attrs;
    const command = context === undefined ? [] : ['docker', '--context', context, 'load'];
    return { export: { type, attrs: rest }, place: { kind: 'load', command } };
  }
  if (dest === '' || dest === '-') {
    if (stdoutIsTerminal) {
      throw new CairnError(`dest file is required for ${type} exporter. refusing to write to console`, {
        code: 'USAGE',
      });
    }
    return { export: entry, place: { kind: 'stdout' } };
  }
  if (statSync(dest, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new CairnError(`destination file ${dest} is a directory`, { code: 'USAGE' });
  }
  return { export: entry, place: { kind: 'file', path: dest } };
}
