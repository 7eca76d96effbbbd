/** The attributes that ask for attestations (BuildKit v0.32.2, package frontend/attestations). */
import { CairnError, messageOf } from '../../../errors/error.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { parseNormalizedReference } from '../../../llb/reference.ts';
import { csvFields } from '../instructions/csv.ts';
import { goLower } from '../text/case.ts';

const PREFIXES = ['build-arg:BUILDKIT_ATTEST_', 'attest:'];
const KINDS = new Set(['sbom', 'provenance']);

/**
 * Reads `attest:KIND` and `BUILDKIT_ATTEST_KIND`. Provenance is no matter of the frontend.
 * @throws CairnError USAGE for what is no attestation; UNSUPPORTED for an SBOM
 */
export function checkAttestations(opts: Readonly<Record<string, string>>): void {
  const values = new Map<string, string>();
  for (const prefix of PREFIXES) {
    for (const [key, value] of Object.entries(opts)) {
      if (key.startsWith(prefix)) values.set(goLower(key.slice(prefix.length)), value);
    }
  }
  const fields = new Map<string, string[]>();
  for (const [kind, value] of values) fields.set(kind, value === '' ? [] : fieldsOf(kind, value));
  for (const kind of values.keys()) {
    if (!KINDS.has(kind)) throw usage(`unknown attestation type ${goQuote(kind)}`);
  }
  const sbom = fields.get('sbom');
  if (sbom === undefined) return;
  checkGenerator(sbom);
  throw new CairnError('SBOM attestations are not supported', {
    code: 'UNSUPPORTED',
    hint: 'Leave out --sbom and --attest type=sbom.',
  });
}

function checkGenerator(fields: readonly string[]): void {
  const generator = fields.findLast((field) => field.split('=', 1)[0] === 'generator');
  if (generator === undefined) return;
  const name = generator.slice('generator='.length);
  try {
    parseNormalizedReference(name);
  } catch (error) {
    throw usage(`failed to parse sbom scanner ${name}: ${messageOf(error)}`);
  }
}

function fieldsOf(kind: string, value: string): string[] {
  try {
    return csvFields(value);
  } catch (error) {
    throw usage(`failed to parse ${kind}: ${messageOf(error)}`);
  }
}

function usage(message: string): CairnError {
  return new CairnError(message, { code: 'USAGE' });
}
