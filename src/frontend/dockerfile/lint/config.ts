/** Reader of lint options: `skip=Rule,Rule;error=true;experimental=all`. */
import { DockerfileError } from '../parser/error.ts';
import { parseGoBool } from '../text/numbers.ts';
import { goQuote } from '../../../errors/go_quote.ts';
import { trimSpace } from '../text/space.ts';
import type { LintConfig } from './contract.ts';

/** A fourth part would be taken as the end of the third. */
const MAX_PARTS = 3;

/**
 * Parses the value of a `check` directive or of BUILDKIT_DOCKERFILE_CHECK; an empty one is the default.
 * @throws DockerfileError with BuildKit's text, to which its callers prefix `failed to parse check options`
 */
export function parseLintConfig(text: string): LintConfig {
  const config: LintConfig = {
    skipAll: false,
    skipRules: [],
    experimentalAll: false,
    experimentalRules: [],
    returnAsError: false,
  };
  const options = trimSpace(text);
  if (options === '') return config;
  for (const part of splitParts(options)) {
    const equals = part.indexOf('=');
    if (equals === -1) throw new DockerfileError(`invalid check option ${goQuote(part)}`);
    const key = trimSpace(part.slice(0, equals));
    const value = trimSpace(part.slice(equals + 1));
    switch (key) {
      case 'skip':
        if (value === 'all') config.skipAll = true;
        else config.skipRules = value.split(',').map(trimSpace);
        break;
      case 'experimental':
        if (value === 'all') config.experimentalAll = true;
        else config.experimentalRules = value.split(',').map(trimSpace);
        break;
      case 'error': {
        const flag = parseGoBool(value);
        if (flag === undefined) {
          throw new DockerfileError(
            `failed to parse check option ${goQuote(part)}: strconv.ParseBool: parsing ${goQuote(value)}: invalid syntax`,
          );
        }
        config.returnAsError = flag;
        break;
      }
      default:
        throw new DockerfileError(`invalid check option ${goQuote(key)}`);
    }
  }
  return config;
}

function splitParts(options: string): string[] {
  const parts = options.split(';');
  return parts.length <= MAX_PARTS
    ? parts
    : [...parts.slice(0, MAX_PARTS - 1), parts.slice(MAX_PARTS - 1).join(';')];
}
