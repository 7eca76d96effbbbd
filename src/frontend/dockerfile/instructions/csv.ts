/** One line of comma-separated values, as mounts and devices are written. */
import { DockerfileError } from '../parser/error.ts';

/**
 * The fields of `line`; a field in double quotes may hold commas, and quotes written twice.
 * @throws DockerfileError with the text of Go's encoding/csv; columns count bytes from 1
 */
export function csvFields(line: string): string[] {
  if (line === '') throw new DockerfileError('EOF');
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (line.charAt(at) === '"') {
      const field = quotedField(line, at);
      fields.push(field.text);
      at = field.end;
    } else {
      const comma = line.indexOf(',', at);
      const end = comma === -1 ? line.length : comma;
      const quote = line.slice(at, end).indexOf('"');
      if (quote !== -1) throw csvError(line, at + quote, 'bare " in non-quoted-field');
      fields.push(line.slice(at, end));
      at = end;
    }
    if (at >= line.length) return fields;
    at++;
  }
}

/** `end` is the comma after the field, or the end of the line. */
function quotedField(line: string, start: number): { text: string; end: number } {
  const wrong = 'extraneous or missing " in quoted-field';
  let text = '';
  let at = start + 1;
  for (;;) {
    const quote = line.indexOf('"', at);
    if (quote === -1) throw csvError(line, at, wrong);
    text += line.slice(at, quote);
    at = quote + 1;
    if (at === line.length || line.charAt(at) === ',') return { text, end: at };
    if (line.charAt(at) !== '"') throw csvError(line, quote, wrong);
    text += '"';
    at++;
  }
}

function csvError(line: string, at: number, what: string): DockerfileError {
  const column = Buffer.byteLength(line.slice(0, at)) + 1;
  return new DockerfileError(`parse error on line 1, column ${column}: ${what}`);
}
