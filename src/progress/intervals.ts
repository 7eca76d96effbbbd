/** Times during which a vertex was running; a vertex of a progress group may have several. */

export interface Interval {
  start: Date;
  stop: Date | undefined;
}

/** Overlapping intervals joined, in order of start; one without a stop takes up all that begin after it. */
export function mergeIntervals(intervals: Iterable<Interval>): Interval[] {
  const sorted = [...intervals].sort((a, b) => a.start.getTime() - b.start.getTime());
  const merged: Interval[] = [];
  for (const next of sorted) {
    const last = merged.at(-1);
    if (last === undefined || (last.stop !== undefined && last.stop < next.start)) {
      merged.push({ ...next });
    } else if (last.stop !== undefined && (next.stop === undefined || next.stop > last.stop)) {
      last.stop = next.stop;
    }
  }
  return merged;
}

/** Sum of the intervals in seconds; one that is still open counts up to `now`. */
export function totalSeconds(intervals: readonly Interval[], now: Date): number {
  let ms = 0;
  for (const { start, stop } of intervals) ms += (stop ?? now).getTime() - start.getTime();
  return ms / 1000;
}
