/** One line of comma-separated fields with RFC 4180 quotes, as the values of -o, --secret, --cache-to are written. */
import { CairnError } from '../../errors/error.ts';

/** @throws CairnError USAGE on an unbalanced quote; `flag` names the flag in the message */
export function csvFields(line: string, flag: string): string[] {
  const fields: string[] = [];
  let position = 0;
  for (;;) {
    let field = '';
    if (line[position] === '"') {
      position++;
      for (;;) {
        const quote = line.indexOf('"', position);
        if (quote === -1) throw badQuote(line, flag);
        field += line.slice(position, quote);
        position = quote + 1;
        if (line[position] !== '"') break;
        field += '"';
        position++;
      }
      if (position < line.length && line[position] !== ',') throw badQuote(line, flag);
    } else {
      const comma = line.indexOf(',', position);
      const end = comma === -1 ? line.length : comma;
      field = line.slice(position, end);
      if (field.includes('"')) throw badQuote(line, flag);
      position = end;
    }
    fields.push(field);
    if (position >= line.length) return fields;
    position++;
  }
}

function badQuote(line: string, flag: string): CairnError {
  return new CairnError(
    `invalid value ${JSON.stringify(line)} for ${flag}: a quote is not closed or stands inside a field`,
    {
      code: 'USAGE',
      hint: 'put the whole field into double quotes and write a quote inside it twice',
    },
  );
}

/**
 * `key=value` fields. Keys are lower-cased.
 * @throws CairnError USAGE when a field has no `=`
 */
export function csvPairs(line: string, flag: string): [key: string, value: string][] {
  return csvFields(line, flag).map((field) => {
    const equals = field.indexOf('=');
    if (equals === -1) {
      throw new CairnError(
        `invalid value ${JSON.stringify(field)} in ${flag} ${JSON.stringify(line)}: a field must be key=value`,
        {
          code: 'USAGE',
        },
      );
    }
    return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)];
  });
}
