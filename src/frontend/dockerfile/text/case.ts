/** Upper and lower case as Go has it: character by character, never one into several. */
import { replaceInvalid } from './bytes.ts';

const ASCII = /^\p{ASCII}*$/u;

/** Go's strings.ToLower. */
export function goLower(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  // Only U+0130 has a lower case of two characters; the first is what Go takes.
  return Array.from(replaceInvalid(text), (char) => Array.from(char.toLowerCase())[0]).join('');
}

/** Go's strings.ToUpper. */
export function goUpper(text: string): string {
  if (ASCII.test(text)) return text.toUpperCase();
  return Array.from(replaceInvalid(text), (char) => {
    const upper = Array.from(char.toUpperCase());
    return upper.length === 1 ? upper[0] : char;
  }).join('');
}
