/** Colors of the terminal view: NO_COLOR and BUILDKIT_COLORS, as BuildKit's util/progress/progressui reads them. */

const CSI = '\u001b[';
/** Select Graphic Rendition of foregrounds (ECMA-48); the light ones are 60 higher. */
const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
const DEFAULT_FOREGROUND = 39;
/** Colors of one channel in the 6×6×6 cube of terminals with 256 colors, and where the cube begins. */
const CUBE = 6;
const CUBE_START = 16;

/** Sequences that begin a color; empty: none. */
export interface Colors {
  run: string;
  cancel: string;
  error: string;
  warning: string;
  faint: string;
}

/** @returns also what of BUILDKIT_COLORS could not be understood, and was left out */
export function colorsFrom(env: NodeJS.ProcessEnv): { colors: Colors; problems: string[] } {
  if ((env['NO_COLOR'] ?? '') !== '') {
    return { colors: { run: '', cancel: '', error: '', warning: '', faint: '' }, problems: [] };
  }
  const yellow = named('yellow');
  const colors = {
    run: named('blue'),
    cancel: yellow,
    error: named('red'),
    warning: yellow,
    faint: `${CSI}2m`,
  };
  const problems: string[] = [];
  for (const entry of (env['BUILDKIT_COLORS'] ?? '').split(':').filter((text) => text !== '')) {
    const [key = '', value = '', ...more] = entry.toLowerCase().split('=');
    const color = value.includes(',') ? fromChannels(value) : named(value);
    if (more.length > 0 || color === '') problems.push(`${entry}: write NAME=COLOR or NAME=RED,GREEN,BLUE`);
    else if (key === 'run' || key === 'cancel' || key === 'error' || key === 'warning') colors[key] = color;
    else problems.push(`${entry}: names are run, cancel, error and warning`);
  }
  return { colors, problems };
}

/** Empty: there is no such color. */
function named(name: string): string {
  if (name === 'default') return `${CSI}${DEFAULT_FOREGROUND}m`;
  const light = name.startsWith('light-');
  const index = NAMES.indexOf(light ? name.slice('light-'.length) : name);
  return index === -1 ? '' : `${CSI}${(light ? 90 : 30) + index}m`;
}

/** `255,165,0`, the nearest that 256 colors have. */
function fromChannels(text: string): string {
  const channels = text.split(',').map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : Number.NaN));
  if (channels.length !== 3 || !channels.every((value) => value <= 255)) return '';
  const color = channels.reduce((sum, value) => sum * CUBE + Math.round((value / 255) * (CUBE - 1)), 0);
  return `${CSI}38;5;${CUBE_START + color}m`;
}
