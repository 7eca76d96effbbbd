/** `--call` and `--check`: a question about the Dockerfile instead of a build. */
import type { Subrequest } from '../../engine/contract.ts';
import { CairnError } from '../../errors/error.ts';
import { didYouMean } from '../../errors/suggest.ts';
import { requireBool } from '../go_values.ts';
import { csvFields } from './csv.ts';

export interface Call {
  name: Subrequest;
  /** `json`, or empty for text. */
  format: string;
  ignoreStatus: boolean;
}

const METHODS: Record<string, Call['name'] | undefined> = {
  build: undefined,
  check: 'lint',
  lint: 'lint',
  outline: 'outline',
  targets: 'targets',
  'subrequests.describe': 'subrequests.describe',
};

/** `check,format=json` → the call; undefined for `build`. @throws CairnError USAGE */
export function parseCall(value: string): Call | undefined {
  if (value === '') return undefined;
  let method = '';
  let format = '';
  let ignoreStatus = false;
  for (const field of csvFields(value, '--call')) {
    const [key = '', text] = field.split('=', 2);
    if (text === undefined) {
      if (method !== '') throw new CairnError(`invalid --call value: ${value}`, { code: 'USAGE' });
      method = field;
    } else if (key === 'format') {
      if (text !== 'json' && text !== 'text') {
        throw new CairnError(`unsupported format ${JSON.stringify(text)} in --call: must be json or text`, {
          code: 'USAGE',
        });
      }
      format = text === 'json' ? 'json' : '';
    } else if (key === 'ignorestatus') {
      ignoreStatus = requireBool(text, '--call ignorestatus');
    } else {
      throw new CairnError(`invalid --call field: ${field}`, {
        code: 'USAGE',
        hint: didYouMean(key, ['format', 'ignorestatus']),
      });
    }
  }
  if (method !== '' && !(method in METHODS)) {
    throw new CairnError(`unknown --call method ${JSON.stringify(method)}`, {
      code: 'USAGE',
      hint:
        didYouMean(method, Object.keys(METHODS)) ??
        'methods are build, check, outline, targets, subrequests.describe',
    });
  }
  const name = METHODS[method];
  return name === undefined ? undefined : { name, format, ignoreStatus };
}
