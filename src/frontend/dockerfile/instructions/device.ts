/** The value of `RUN --device`. */
import { DockerfileError, wrapError } from '../parser/error.ts';
import { goLower } from '../text/case.ts';
import { parseGoBool } from '../text/numbers.ts';
import { suggestError } from '../text/suggest.ts';
import { csvFields } from './csv.ts';
import type { Device } from './types.ts';

const KEYS = ['name', 'required'];

/**
 * Parses `vendor/class=name,required` or `name=…,required=true`. The first field that is none of the keys is the name.
 * @throws DockerfileError
 */
export function parseDevice(text: string): Device {
  const device: Device = { name: '', required: false };
  for (const field of fieldsOf(text)) {
    const equals = field.indexOf('=');
    const key = goLower(equals === -1 ? field : field.slice(0, equals));
    const value = equals === -1 ? undefined : field.slice(equals + 1);
    if (key === 'required') {
      const required = value === undefined ? true : parseGoBool(value);
      if (required === undefined) {
        throw new DockerfileError(`invalid value for ${key}: ${value}`);
      }
      device.required = required;
    } else if (key === 'name' && value !== undefined) {
      if (device.name !== '') {
        throw new DockerfileError(`device name already set to ${device.name}`);
      }
      device.name = value;
    } else if (device.name === '') {
      device.name = field;
    } else if (value === undefined) {
      throw new DockerfileError(`invalid field '${field}' must be a key=value pair`);
    } else {
      throw suggestError(`unexpected key '${key}' in '${field}'`, key, KEYS);
    }
  }
  return device;
}

function fieldsOf(text: string): string[] {
  try {
    return csvFields(text);
  } catch (error) {
    throw wrapError(error, 'failed to parse csv devices');
  }
}
