/** The command line: global flags, commands, exit codes. Each command's code is loaded when it is called. */
import { existsSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { CairnError } from '../errors/error.ts';
import { commandName, normalizeFlags, type KnownOption, type KnownOptions } from './argv.ts';
import { defineBuildFlags, type BuildFlags } from './build/flags.ts';
import { reportError } from './errors.ts';
import type { PruneFlags } from './prune.ts';
import { watchStandardStreams } from './standard_streams.ts';
import { usageError } from './usage_error.ts';
import { VERSION } from './version.ts';

export interface GlobalFlags {
  debug?: true;
  root?: string;
  config?: string;
  builder?: string;
}

function program(): Command {
  const root = new Command('cairn');
  root
    .description("Builds container images from Dockerfiles without a daemon, with BuildKit's build cache")
    .version(VERSION, '-v, --version')
    .option('-D, --debug', 'show stack traces and debug output')
    .option('--root <directory>', 'the store (default: CAIRN_ROOT, else where XDG says)')
    .option('--config <file>', 'registries and limits, in the syntax of buildkitd.toml')
    .option('--builder <name>', 'for scripts of docker buildx: there is one, embedded')
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true })
    // Told by main(), in other words.
    .configureOutput({ outputError: () => {} })
    .exitOverride();

  const build = new Command('build')
    .alias('b')
    .description('start a build')
    .argument('<path|url|->', 'the build context');
  defineBuildFlags(build)
    .option(
      '--cache-lenient',
      'ignore unknown and malformed parameters of --cache-to and --cache-from, as buildx does',
    )
    .option(
      '--cache-report <file>',
      'write for each step whether it was a hit or ran, and why (JSON; - for a table)',
    )
    .action(async (context: string, flags: Partial<BuildFlags>) => {
      const { runBuild } = await import('./build/run.ts');
      process.exitCode = await runBuild(context, flags, globals(root));
    });
  root.addCommand(build);

  root.addCommand(
    new Command('du')
      .description('disk usage of the store')
      .option('--filter <filter>', 'show only what matches, e.g. type=regular (repeatable)', collect)
      .option('--format <format>', 'json')
      .option('--verbose', 'show each record whole')
      .addOption(builderTimeout())
      .action(async (flags: { filter?: string[]; format?: string; verbose?: true }) => {
        const { runDu } = await import('./du.ts');
        await runDu(flags, globals(root));
      }),
  );
  root.addCommand(
    new Command('prune')
      .description('remove build cache')
      .option('-a, --all', 'include internal and frontend images')
      .option('--filter <filter>', 'remove only what matches, e.g. until=72h (repeatable)', collect)
      .option('-f, --force', 'do not ask')
      .option('--keep-storage <bytes>', 'keep this much, the most recently used')
      .option('--reserved-space <bytes>', 'keep at least this much')
      .option('--max-used-space <bytes>', 'remove down to this much')
      .option('--min-free-space <bytes>', 'remove until the disk has this much free')
      .option('--verbose', 'show each record whole')
      .addOption(builderTimeout())
      .action(async (flags: PruneFlags) => {
        const { runPrune } = await import('./prune.ts');
        await runPrune(flags, globals(root));
      }),
  );
  root.addHelpText(
    'after',
    `
Examples:
  cairn build -t registry.example/app:1 --push .
  cairn build --target test --output type=local,dest=out .
  cairn build --cache-to type=local,dest=cache --cache-from type=local,src=cache .
  cairn prune --keep-storage 10GB --filter until=72h

Run 'cairn COMMAND --help' for the flags of a command.`,
  );
  for (const command of root.commands) command.copyInheritedSettings(root);
  // Before anything is opened: the process is replaced.
  root.hook('preAction', async (_root, command) => {
    if (process.geteuid?.() === 0 || onlyReads(command)) return;
    const { enterUserNamespace } = await import('../platform/rootless.ts');
    enterUserNamespace();
  });
  return root;
}

/** Whether a Dockerfile in a directory is only looked at: that makes no files of other owners. */
function onlyReads(command: Command): boolean {
  const [context = ''] = command.args;
  const { call } = command.opts<Partial<BuildFlags>>();
  return call !== undefined && !/^(build)?(,|$)/.test(call) && existsSync(context);
}

/** How long docker buildx waits for a builder: the one in this process is there. */
function builderTimeout(): Option {
  return new Option('--timeout <duration>', 'accepted for docker buildx; has no effect').hideHelp();
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

function globals(root: Command): GlobalFlags {
  return root.opts<GlobalFlags>();
}

function knownOptions(...commands: (Command | undefined)[]): KnownOptions {
  const known = new Map<string, KnownOption>();
  for (const { options } of commands.filter((command) => command !== undefined)) {
    for (const { long, short, required, optional } of options) {
      if (long === undefined || long === null) continue;
      const option = { long, takesValue: required || optional };
      known.set(long, option);
      if (typeof short === 'string') known.set(short, option);
    }
  }
  return known;
}

/** Runs one command; sets the exit code and reports what fails. `argv` begins after the program's name. */
export async function main(argv: string[]): Promise<void> {
  const root = program();
  let name: string | undefined;
  try {
    const given = commandName(argv, knownOptions(root));
    const command = root.commands.find((known) => [known.name(), ...known.aliases()].includes(given ?? ''));
    name = command?.name();
    await root.parseAsync(normalizeFlags(argv, knownOptions(root, command)), { from: 'user' });
    if (given === undefined) root.outputHelp();
  } catch (error) {
    // Help and the version were asked for.
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const known = error instanceof CommanderError ? usageError(error, name) : error;
    reportError(known, { debug: argv.includes('--debug') || argv.includes('-D') });
    process.exitCode = known instanceof CairnError && known.code === 'CANCELED' ? 130 : 1;
  }
}

// A reader that went away (`cairn du | head`) ends the command as it does other programs: quietly.
watchStandardStreams();
