/**
 * Modes of `--chmod` in symbolic form, e.g. `u=rwX,go=rX` (chmod(1); grammar and results of
 * github.com/tonistiigi/dchapes-mode, after BSD's setmode(3)).
 */
import { CairnError } from '../../errors/error.ts';

const STICKY = 0o1000;
const SETGID = 0o2000;
const SETUID = 0o4000;
const USER = 0o700;
const GROUP = 0o070;
const OTHER = 0o007;
const ALL = SETUID | SETGID | USER | GROUP | OTHER;
const EXECUTE = 0o111;

const WHO: Record<string, number> = { u: SETUID | USER, g: SETGID | GROUP, o: OTHER, a: ALL };
const PERMISSIONS: Record<string, number> = { r: 0o444, w: 0o222, x: EXECUTE };

/** New permission bits from old ones. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

type Command = (mode: number, original: number, isDirectory: boolean) => number;

/** @throws CairnError USAGE `invalid syntax` */
export function parseMode(text: string): ModeChange {
  if (/^[0-9]/.test(text)) {
    const mode = /^[0-7]{1,6}$/.test(text) ? Number.parseInt(text, 8) : -1;
    if (mode < 0 || (mode & ~(ALL | STICKY)) !== 0) throw invalid(text);
    return () => mode;
  }
  const commands = text.split(',').flatMap((clause) => parseClause(clause, text));
  return (mode, isDirectory) =>
    commands.reduce((now, command) => command(now, mode, isDirectory), mode & 0o7777);
}

function parseClause(clause: string, text: string): Command[] {
  const found = /^([ugoa]*)((?:[-+=][rwxXstugo]*)+)$/.exec(clause);
  if (found === null) throw invalid(text);
  const who = Array.from(found[1] ?? '').reduce((bits, letter) => bits | (WHO[letter] ?? 0), 0);
  return (found[2] ?? '').match(/[-+=][^-+=]*/g)?.flatMap((action) => parseAction(action, who)) ?? [];
}

function parseAction(action: string, given: number): Command[] {
  const op = action[0] ?? '+';
  const commands: Command[] = [];
  let who = given;
  let bits = 0;
  let conditional = 0;
  /** `=` has cleared what was there; it does so at least once, and again with every set of bits it gives. */
  let cleared = op !== '=';
  const flush = (): void => {
    const [now, then] = [bits, conditional];
    const mask = who === 0 ? ALL | STICKY : who;
    const clear = who === 0 ? ALL : who;
    if (now !== 0 || !cleared) {
      if (op === '-') commands.push((mode) => mode & ~(now & mask));
      else if (op === '+') commands.push((mode) => mode | (now & mask));
      else commands.push((mode) => (mode & ~clear) | (now & mask));
      cleared = true;
    }
    if (then !== 0) {
      commands.push((mode, original, isDirectory) =>
        isDirectory || (original & EXECUTE) !== 0 ? mode | (then & mask) : mode,
      );
    }
    [bits, conditional] = [0, 0];
  };
  for (const letter of action.slice(1)) {
    const special = who === 0 || (who & ~OTHER) !== 0;
    if (letter === 'X') {
      if (op === '-') bits |= EXECUTE;
      else conditional = EXECUTE;
    } else if (letter === 's') bits |= special ? SETUID | SETGID : 0;
    else if (letter === 't') {
      if (special) {
        who |= STICKY;
        bits |= STICKY;
      }
    } else if (PERMISSIONS[letter] !== undefined) bits |= PERMISSIONS[letter];
    else {
      // A copy clears by itself.
      cleared = true;
      flush();
      commands.push(copyClass(letter, who, op));
    }
  }
  flush();
  return commands;
}

/** `go=u`, `g+o`: one class's bits set in, or taken from, others. */
function copyClass(from: string, who: number, op: string): Command {
  const shift = { u: 6, g: 3, o: 0 }[from] ?? 0;
  const all = who === 0;
  return (mode) => {
    const value = (mode >> shift) & 7;
    let out = mode;
    for (const [bits, place] of [
      [USER, 6],
      [GROUP, 3],
      [OTHER, 0],
    ] as const) {
      if (!all && (who & bits) === 0) continue;
      if (op === '-') out &= ~(value << place);
      if (op === '=') out &= ~bits;
      if (op !== '-') out |= value << place;
    }
    return out;
  };
}

function invalid(text: string): CairnError {
  return new CairnError('invalid syntax', {
    code: 'USAGE',
    hint: `${JSON.stringify(text)} is no mode; write octal digits or a symbolic mode such as u=rwX,go=rX.`,
  });
}
