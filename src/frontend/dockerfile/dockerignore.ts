/** Reader of .dockerignore files (rules of moby/patternmatcher v0.6, package ignorefile). */
import { CairnError } from '../../errors/error.ts';
import { clean } from '../../snapshots/patterns/go_path.ts';
import { MAX_LINE_BYTES } from './parser/lines.ts';
import { decodeText } from './text/bytes.ts';
import { trimSpace } from './text/space.ts';

/**
 * The patterns of a .dockerignore file in order, cleaned and relative to the context; `!` stays in front of those
 * that take something back in. Whether a pattern is valid is for the matcher to find out.
 * @throws CairnError DOCKERFILE for a line of 64 KiB or more
 */
export function parseDockerignore(data: Uint8Array): string[] {
  const text = decodeText(data).replace(/^\ufeff/, '');
  const patterns: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (Buffer.byteLength(line) >= MAX_LINE_BYTES) {
      throw new CairnError('bufio.Scanner: token too long', {
        code: 'DOCKERFILE',
        hint: `Line ${index + 1} of .dockerignore has 64 KiB or more; shorten it.`,
      });
    }
    if (line.startsWith('#')) continue;
    const pattern = trimSpace(line);
    if (pattern !== '') patterns.push(normalized(pattern));
  }
  return patterns;
}

function normalized(pattern: string): string {
  if (!pattern.startsWith('!')) return relative(pattern);
  const rest = trimSpace(pattern.slice(1));
  return rest === '' ? '!' : `!${relative(rest)}`;
}

function relative(pattern: string): string {
  const cleaned = clean(pattern);
  return cleaned.length > 1 && cleaned.startsWith('/') ? cleaned.slice(1) : cleaned;
}
