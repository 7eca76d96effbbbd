/**
 * Generated protobuf code carries its file descriptor as base64 and parses it whenever it is loaded, with the
 * descriptor of descriptors: 20 ms. In the bundle the parsed descriptor stands as a literal.
 */
import { isMessage, type DescFile } from '@bufbuild/protobuf';
import type { Plugin } from 'esbuild';
import { readFileSync } from 'node:fs';

export const protobufDescriptors: Plugin = {
  name: 'protobuf-descriptors',
  setup(build) {
    build.onLoad({ filter: /_pb\.js$/, namespace: 'file' }, async ({ path }) => {
      if (path.includes('node_modules')) return undefined;
      return { contents: await withLiteral(path), loader: 'js' };
    });
  },
};

async function withLiteral(path: string): Promise<string> {
  const exported = (await import(path)) as Record<string, unknown>;
  const file = Object.values(exported).find(isFile);
  if (file === undefined || file.dependencies.length > 0) {
    throw new Error(`${path} does not have exactly one file descriptor without imports`);
  }
  const defaults = new Map<string, string>();
  const literal = literalOf(file.proto, defaults);
  const table = [...defaults].map(([type, values]) => `${JSON.stringify(type)}: ${values}`);
  const [before = '', ...rest] = readFileSync(path, 'utf8').split(/fileDesc\("[^"]*"\)/);
  if (rest.length !== 1) throw new Error(`${path} does not call fileDesc exactly once`);
  return `import { createFileRegistry } from '@bufbuild/protobuf';
const defaults = {${table.join(',')}};
function message($typeName, fields) { return Object.assign(Object.create(defaults[$typeName]), { $typeName }, fields); }
${before}createFileRegistry(${literal}, () => undefined).getFile(${JSON.stringify(file.proto.name)})${rest.join('')}`;
}

function isFile(value: unknown): value is DescFile {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'file';
}

/** Fields that are not set are on a message's prototype; `defaults` takes one for each type. */
function literalOf(value: unknown, defaults: Map<string, string>): string {
  if (Array.isArray(value)) return `[${value.map((each) => literalOf(each, defaults)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    if (!isMessage(value)) throw new Error('a descriptor holds a value that has no literal');
    if (!defaults.has(value.$typeName)) {
      const prototype: unknown = Object.getPrototypeOf(value);
      defaults.set(value.$typeName, prototype === Object.prototype ? '{}' : JSON.stringify(prototype));
    }
    const fields = Object.entries(value)
      .filter(([name, field]) => name !== '$typeName' && field !== undefined)
      .map(([name, field]) => `${JSON.stringify(name)}:${literalOf(field, defaults)}`);
    return `message(${JSON.stringify(value.$typeName)},{${fields.join(',')}})`;
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return JSON.stringify(value);
  }
  throw new Error(`a descriptor holds a ${typeof value}, which has no literal here`);
}
