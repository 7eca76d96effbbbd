/** A counted number of places, given out in the order of asking. */
import { CairnError } from '../errors/error.ts';

/** @returns a function that waits for a place and gives its release; rejects CANCELED when the signal fires first */
export function createSlots(count: number): (signal: AbortSignal) => Promise<() => void> {
  let free = count;
  const waiting: (() => void)[] = [];
  const give = () => {
    let used = true;
    return () => {
      if (!used) return;
      used = false;
      free++;
      waiting.shift()?.();
    };
  };
  return async (signal) => {
    if (free === 0) {
      await new Promise<void>((resolve, reject) => {
        const proceed = () => {
          signal.removeEventListener('abort', abort);
          resolve();
        };
        const abort = () => {
          const index = waiting.indexOf(proceed);
          if (index !== -1) waiting.splice(index, 1);
          reject(new CairnError('the build was canceled', { code: 'CANCELED', cause: signal.reason }));
        };
        signal.addEventListener('abort', abort, { once: true });
        waiting.push(proceed);
      });
    }
    free--;
    return give();
  };
}
