/** Checks of one op on its own: that it is whole and that its indices point somewhere. */
import { CairnError } from '../errors/error.ts';
import type { ExecOp, FileOp, Op } from './gen/ops_pb.js';

/** An input index that means an empty file system. */
const EMPTY = -1n;

/**
 * Refuses an op that could not be run, with the messages of BuildKit v0.32.2 (solver/llbsolver/ops/opsutils
 * and the ops themselves).
 * @throws CairnError SOLVE
 */
export function validateOp(op: Op): void {
  const inputs = op.inputs.length;
  switch (op.op.case) {
    case 'exec':
      validateExec(op.op.value, inputs);
      break;
    case 'file':
      validateFile(op.op.value, inputs);
      break;
    case 'merge':
      for (const { input } of op.op.value.inputs) {
        if (input < 0n || input >= BigInt(inputs)) {
          throw invalid(`invalid input index ${input} for merge op with ${inputs} inputs`);
        }
      }
      break;
    case 'diff': {
      const { lower, upper } = op.op.value;
      if (lower === undefined || upper === undefined) {
        throw invalid('invalid diff op with nil lower or upper input');
      }
      for (const [side, { input }] of [['lower', lower] as const, ['upper', upper] as const]) {
        if (input < EMPTY || input >= BigInt(inputs)) {
          throw invalid(`invalid ${side} input index ${input} for diff op with ${inputs} inputs`);
        }
      }
      break;
    }
    case 'passthrough':
      if (op.op.value.id === '') throw invalid('invalid passthrough op with no id');
      if (op.op.value.outputs.length === 0) throw invalid('invalid passthrough op with no outputs');
      for (const input of op.op.value.outputs) {
        if (input < 0n || input >= BigInt(inputs)) {
          throw invalid(`invalid passthrough output input index ${input}`);
        }
      }
      break;
    case 'source':
    case 'build':
      break;
    default:
      throw invalid('invalid op of an unknown kind');
  }
}

function validateExec(exec: ExecOp, inputs: number): void {
  if (exec.meta === undefined) throw invalid('invalid exec op with no meta');
  if (exec.meta.args.length === 0) throw invalid('invalid exec op with no args');
  if (exec.mounts.length === 0) throw invalid('invalid exec op with no mounts');
  if (!exec.mounts.some((mount) => mount.dest === '/')) throw invalid('invalid exec op with no rootfs');
  const outputs = exec.mounts.filter((mount) => mount.output >= 0n).length;
  for (const mount of exec.mounts) {
    if (mount.input < EMPTY || mount.input >= BigInt(inputs)) {
      throw invalid(
        `invalid input index ${mount.input} of mount ${mount.dest} in exec op with ${inputs} inputs`,
      );
    }
    if (mount.output < -1n || mount.output >= BigInt(outputs)) {
      throw invalid(
        `invalid output index ${mount.output} of mount ${mount.dest} in exec op with ${outputs} outputs`,
      );
    }
  }
}

function validateFile(file: FileOp, inputs: number): void {
  if (file.actions.length === 0) throw invalid('invalid file op with no actions');
  for (const [i, { action, input, secondaryInput }] of file.actions.entries()) {
    // Indices from the number of inputs on name the results of actions; only earlier ones can be used.
    const known = BigInt(inputs + i);
    if (input < EMPTY || input >= known) throw invalid(`invalid input index ${input}, ${known} provided`);
    if (secondaryInput < EMPTY || secondaryInput >= known) {
      throw invalid(`invalid secondary input index ${secondaryInput}, ${known} provided`);
    }
    if (action.case === undefined) throw invalid(`invalid file op: action ${i} is of an unknown kind`);
  }
}

function invalid(message: string): CairnError {
  return new CairnError(message, { code: 'SOLVE' });
}
