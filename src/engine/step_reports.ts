/** What became of each step. */
import type { Digest } from '../content/contract.ts';
import { redact } from '../errors/error.ts';
import type { Decision, SolveSession } from '../solver/contract.ts';
import type { StepReport } from './contract.ts';

/** Over several sessions of one build, where a cache failed in the middle and the rest was solved again. */
export class StepReports {
  readonly #earlier = new Map<Digest, Decision>();

  /** A session that did not come to the end. What ran in it is a local hit for the next. */
  add({ decisions }: SolveSession): void {
    for (const decision of decisions)
      if (decision.status === 'run') this.#earlier.set(decision.vertex.digest, decision);
  }

  of({ decisions }: SolveSession): StepReport[] {
    return decisions.map((last) => {
      const { vertex, status, cache, reason } = this.#earlier.get(last.vertex.digest) ?? last;
      return {
        vertex: vertex.digest,
        name: redact(vertex.name),
        status,
        ...(cache === undefined ? {} : { cache }),
        reason,
      };
    });
  }
}
