/** The display names of ops without a custom one (BuildKit v0.32.2, solver/llbsolver, llbOpName). */
import type { FileAction, Op } from './gen/ops_pb.js';
import type { Edge } from './graph.ts';

/** Names of merges contain those of their inputs, so nested ones double: a hostile graph must not fill memory. */
const MAX_NAME_LENGTH = 65_536;

/** What progress prints for an op whose metadata names nothing. */
export function vertexName(op: Op, inputs: readonly Edge[]): string {
  const name = wholeName(op, inputs);
  return name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name;
}

function wholeName(op: Op, inputs: readonly Edge[]): string {
  const name = (input: bigint): string => inputs[Number(input)]?.vertex.name ?? '';
  switch (op.op.case) {
    case 'source':
      return op.op.value.identifier;
    case 'exec':
      return (op.op.value.meta?.args ?? []).join(' ');
    case 'file':
      return op.op.value.actions.map(actionName).join(', ');
    case 'build':
      return 'build';
    case 'merge':
      return `merge (${inputs.map((input) => input.vertex.name).join(', ')})`;
    case 'diff': {
      const side = (input: bigint): string => (input === -1n ? 'scratch' : `(${name(input)})`);
      return `diff ${side(op.op.value.lower?.input ?? -1n)} -> ${side(op.op.value.upper?.input ?? -1n)}`;
    }
    case 'passthrough':
      return `passthrough ${op.op.value.id}`;
    default:
      return 'unknown';
  }
}

function actionName({ action }: FileAction): string {
  switch (action.case) {
    case 'mkdir':
      return `mkdir ${action.value.path}`;
    case 'mkfile':
      return `mkfile ${action.value.path}`;
    case 'symlink':
      return `symlink ${action.value.newpath} -> ${action.value.oldpath}`;
    case 'rm':
      return `rm ${action.value.path}`;
    case 'copy':
      return `copy ${action.value.src} ${action.value.dest}`;
    default:
      return '';
  }
}
