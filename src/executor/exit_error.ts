import { CairnError } from '../errors/error.ts';
import { goQuote } from '../errors/go_quote.ts';

/** A step's process ended with an exit code that is not valid. Words of BuildKit's ExecOp (v0.32.2). */
export class ExitError extends CairnError {
  readonly exitCode: number;
  readonly outOfMemory: boolean;

  constructor(args: readonly string[], exitCode: number, outOfMemory = false) {
    // A kill for lack of memory replaces the exit code, as in BuildKit's runcexecutor.
    const why = outOfMemory ? 'cannot allocate memory' : `exit code: ${exitCode}`;
    super(`process ${goQuote(args.join(' '))} did not complete successfully: ${why}`, {
      code: 'EXEC',
      hint: outOfMemory ? 'The step was killed because its memory limit was reached.' : undefined,
    });
    this.name = 'ExitError';
    this.exitCode = exitCode;
    this.outOfMemory = outOfMemory;
  }
}
