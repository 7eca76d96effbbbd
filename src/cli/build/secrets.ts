/** `--secret` and `--ssh`. */
import { CairnError } from '../../errors/error.ts';
import type { SecretSpec, SshSpec } from '../../drivers/contract.ts';
import { didYouMean } from '../../errors/suggest.ts';
import { csvFields, csvPairs } from './csv.ts';

/** Of two secrets with one id the later counts. @throws CairnError USAGE */
export function parseSecrets(values: string[]): SecretSpec[] {
  const byId = new Map<string, SecretSpec>();
  for (const value of values) {
    if (value === '') continue;
    const secret = parseSecret(value);
    byId.set(secret.id, secret);
  }
  return [...byId.values()];
}

function parseSecret(value: string): SecretSpec {
  let type = '';
  let id = '';
  let src: string | undefined;
  let env: string | undefined;
  for (const [key, text] of csvPairs(value, '--secret')) {
    switch (key) {
      case 'type':
        if (text !== 'file' && text !== 'env') {
          throw new CairnError(`unsupported secret type ${JSON.stringify(text)}: must be file or env`, {
            code: 'USAGE',
          });
        }
        type = text;
        break;
      case 'id':
        id = text;
        break;
      case 'source':
      case 'src':
        src = text;
        break;
      case 'env':
        env = text;
        break;
      default:
        throw new CairnError(`unexpected key '${key}' in --secret '${value}'`, {
          code: 'USAGE',
          hint: didYouMean(key, ['id', 'src', 'source', 'env', 'type']),
        });
    }
  }
  if (type === 'env' && env === undefined) [env, src] = [src, undefined];
  if (id === '') {
    throw new CairnError(`secret missing ID in --secret '${value}'`, {
      code: 'USAGE',
      hint: 'write id=NAME',
    });
  }
  return { id, ...(src === undefined ? {} : { src }), ...(env === undefined ? {} : { env }) };
}

/** `default`, `id=socket` or `id=key,key`. Of two with one id the later counts. @throws CairnError USAGE */
export function parseSsh(values: string[]): SshSpec[] {
  const byId = new Map<string, SshSpec>();
  for (const value of values) {
    if (value === '') continue;
    const equals = value.indexOf('=');
    const id = (equals === -1 ? value : value.slice(0, equals)) || 'default';
    const paths =
      equals === -1 ? [] : csvFields(value.slice(equals + 1), '--ssh').filter((path) => path !== '');
    byId.set(id, { id, paths });
  }
  return [...byId.values()];
}
