/** Modes of COPY --chmod: octal, or symbolic as chmod(1) has them. */
import { DockerfileError } from '../parser/error.ts';

const MAX_MODE = 0o7777;
/** Who, then operators with permissions; clauses are joined by commas. */
const SYMBOLIC = /^[augo]*(?:[-+=][rwxXstugo]*)+(?:,[augo]*(?:[-+=][rwxXstugo]*)+)*$/;

/**
 * An octal mode as number, a symbolic one as it is.
 * @throws DockerfileError
 */
export function parseChmod(text: string): number | string {
  const octal = /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : undefined;
  if (octal !== undefined && octal <= MAX_MODE) return octal;
  if (/^[0-9]/.test(text)) {
    throw new DockerfileError(
      `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`,
    );
  }
  if (!SYMBOLIC.test(text)) throw new DockerfileError('invalid syntax');
  return text;
}
