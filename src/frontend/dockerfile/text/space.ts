/** White space as Go's unicode.IsSpace has it: JavaScript's `\s` lacks U+0085 and adds U+FEFF. */

const SPACE = '\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const ONE_SPACE = new RegExp(`^[${SPACE}]$`);
const LEADING = new RegExp(`^[${SPACE}]+`);

/** Whether `char`, one character, is white space. */
export function isSpace(char: string): boolean {
  return ONE_SPACE.test(char);
}

/** `text` without white space at its start. */
export function trimSpaceStart(text: string): string {
  return text.replace(LEADING, '');
}

/** `text` without white space at both ends, as Go's strings.TrimSpace. */
export function trimSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end--;
  return trimSpaceStart(text.slice(0, end));
}
