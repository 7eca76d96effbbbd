/** What commander refuses, in the words of docker's command line. */
import type { CommanderError } from 'commander';
import { CairnError } from '../errors/error.ts';

/** @param command the name of the command that was called; undefined: none was recognised */
export function usageError({ code, message }: CommanderError, command: string | undefined): CairnError {
  const [, quoted = ''] = /'([^']*)'/.exec(message) ?? [];
  const [, similar] = /\(Did you mean (?:one of )?([^?]*)\?\)/.exec(message) ?? [];
  const called = command === undefined ? 'cairn' : `cairn ${command}`;
  const help = `run '${called} --help' for more information`;
  const hint = similar === undefined ? help : `did you mean ${similar}?`;
  const usage = (text: string, more = hint) => new CairnError(text, { code: 'USAGE', hint: more });
  switch (code) {
    case 'commander.unknownOption': {
      const flag = quoted.split('=', 1)[0] ?? '';
      if (flag.startsWith('--')) return usage(`unknown flag: ${flag}`);
      return usage(`unknown shorthand flag: '${flag.slice(1, 2)}' in ${flag}`);
    }
    case 'commander.optionMissingArgument': {
      const flag = /--[\w-]+/.exec(quoted)?.[0] ?? quoted;
      return usage(`flag needs an argument: ${flag}`);
    }
    case 'commander.missingArgument':
    case 'commander.excessArguments':
      if (command !== 'build') return usage(`'${called}' accepts no arguments`);
      return usage(
        "'cairn build' requires 1 argument",
        `Usage:  cairn build [OPTIONS] PATH | URL | -\n${help}`,
      );
    case 'commander.unknownCommand':
      return usage(`unknown command: cairn ${quoted}`);
    default:
      return usage(message.replace(/^error: /, ''));
  }
}
