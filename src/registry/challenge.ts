/** The WWW-Authenticate header (RFC 9110, section 11.6.1), as far as registries use it. */

export interface Challenge {
  scheme: 'bearer' | 'basic';
  /** Names in lower case. */
  parameters: Readonly<Record<string, string>>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const SCHEME = new RegExp(`^\\s*(${TOKEN})(?:\\s+|,|$)`);
const PARAMETER = new RegExp(`^\\s*(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))\\s*(?:,|$)`);

/** The challenges of one header line that we can answer. */
function parseLine(line: string): Challenge[] {
  const challenges: Challenge[] = [];
  let rest = line;
  for (;;) {
    const scheme = SCHEME.exec(rest);
    if (scheme === null) return challenges;
    rest = rest.slice(scheme[0].length);
    const parameters: Record<string, string> = {};
    for (;;) {
      const match = PARAMETER.exec(rest);
      if (match === null) break;
      rest = rest.slice(match[0].length);
      const value = match[2] === undefined ? (match[3] ?? '') : match[2].replace(/\\(.)/g, '$1');
      parameters[(match[1] ?? '').toLowerCase()] = value;
    }
    const name = scheme[1]?.toLowerCase();
    if (name === 'bearer' || name === 'basic') challenges.push({ scheme: name, parameters });
  }
}

/** The challenges of a response, bearer before basic. `header` is Node's join of all lines. */
export function parseChallenges(header: string | undefined): Challenge[] {
  if (header === undefined) return [];
  return parseLine(header).sort((a, b) => Number(b.scheme === 'bearer') - Number(a.scheme === 'bearer'));
}
