/** The instructions of a Dockerfile. */

export const KEYWORDS = [
  'add',
  'arg',
  'cmd',
  'copy',
  'entrypoint',
  'env',
  'expose',
  'from',
  'healthcheck',
  'label',
  'maintainer',
  'onbuild',
  'run',
  'shell',
  'stopsignal',
  'user',
  'volume',
  'workdir',
] as const;

export type Keyword = (typeof KEYWORDS)[number];

const known = new Set<string>(KEYWORDS);

/** Whether `word`, in lower case, is the keyword of an instruction. */
export function isKeyword(word: string): word is Keyword {
  return known.has(word);
}
