/** The way out of a plan: see planned_target.ts. */

/** What the actions do can only be told by a real file system: they are to be run on a directory. */
export class NeedsDisk extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'NeedsDisk';
  }
}

/** Also of one that came from another thread, where classes are lost. */
export function needsDisk(error: unknown): boolean {
  return error instanceof Error && error.name === 'NeedsDisk';
}
