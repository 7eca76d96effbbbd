import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommanderError } from 'commander';
import { usageError } from './usage_error.ts';

const told = (code: string, message: string, command?: string) => {
  const { message: text, hint } = usageError(new CommanderError(1, `commander.${code}`, message), command);
  return [text, hint];
};

test('usageError says what docker says', () => {
  assert.deepEqual(
    told('unknownOption', "error: unknown option '--flie=x'\n(Did you mean --file?)", 'build'),
    ['unknown flag: --flie', 'did you mean --file?'],
  );
  assert.deepEqual(told('unknownOption', "error: unknown option '-Zx'", 'build'), [
    "unknown shorthand flag: 'Z' in -Zx",
    "run 'cairn build --help' for more information",
  ]);
  assert.deepEqual(
    told('optionMissingArgument', "error: option '-t, --tag <name>' argument missing", 'build')[0],
    'flag needs an argument: --tag',
  );
  assert.match(
    told('missingArgument', "error: missing required argument 'x'", 'build')[0] ?? '',
    /requires 1/,
  );
  assert.equal(
    told('excessArguments', "error: too many arguments for 'du'.", 'du')[0],
    "'cairn du' accepts no arguments",
  );
  assert.equal(told('unknownCommand', "error: unknown command 'biuld'")[0], 'unknown command: cairn biuld');
});
