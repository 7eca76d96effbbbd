/** The flags of `cairn build`, by the names and defaults of `docker buildx build`. */
import { Option, type Command } from 'commander';

export interface BuildFlags {
  addHost: string[];
  allow: string[];
  annotation: string[];
  attest: string[];
  buildArg: string[];
  buildContext: string[];
  cacheFrom: string[];
  cacheLenient?: true;
  cacheReport?: string;
  cacheTo: string[];
  call: string;
  cgroupParent: string;
  file: string;
  iidfile: string;
  label: string[];
  load?: true;
  metadataFile: string;
  network: string;
  noCache?: true;
  noCacheFilter: string[];
  output: string[];
  platform: string[];
  policy: string[];
  progress: string;
  provenance: string;
  pull?: true;
  push?: true;
  quiet?: true;
  resource: string[];
  sbom: string;
  secret: string[];
  shmSize: string;
  ssh: string[];
  tag: string[];
  target: string;
  ulimit: string[];
  memory?: string;
  memorySwap?: string;
  cpuShares?: string;
  cpuPeriod?: string;
  cpuQuota?: string;
  cpusetCpus?: string;
  cpusetMems?: string;
  compress?: true;
  isolation?: string;
  securityOpt: string[];
  squash?: true;
  rm?: true;
  forceRm?: true;
}

const NO_VALUES = {
  addHost: [],
  allow: [],
  annotation: [],
  attest: [],
  buildArg: [],
  buildContext: [],
  cacheFrom: [],
  cacheTo: [],
  label: [],
  noCacheFilter: [],
  output: [],
  platform: [],
  policy: [],
  resource: [],
  secret: [],
  securityOpt: [],
  ssh: [],
  tag: [],
  ulimit: [],
  call: 'build',
  cgroupParent: '',
  file: '',
  iidfile: '',
  metadataFile: '',
  network: 'default',
  progress: 'auto',
  provenance: '',
  sbom: '',
  shmSize: '',
  target: '',
} satisfies Partial<BuildFlags>;

/** What commander parsed, with a value for every flag that was not given. */
export function withDefaults(given: Partial<BuildFlags>, env: NodeJS.ProcessEnv): BuildFlags {
  const platform = env['DOCKER_DEFAULT_PLATFORM'] ?? '';
  return { ...NO_VALUES, ...(platform === '' ? {} : { platform: [platform] }), ...given };
}

/** Adds the flags to a command; the flags that docker keeps hidden are hidden here too. */
export function defineBuildFlags(command: Command): Command {
  const many = (flags: string, description: string) => {
    const option = new Option(flags, description).argParser(
      (value: string, previous: string[] | undefined) => [...(previous ?? []), value],
    );
    // commander takes every --no-… for the negation of another flag.
    option.negate = false;
    command.addOption(option);
  };
  many('--add-host <host:ip>', 'add a custom host-to-IP mapping');
  many(
    '--allow <entitlement>',
    'allow extra privileged entitlement (network.host, security.insecure, buildx.local.delete)',
  );
  many('--annotation <key=value>', 'add annotation to the image');
  many('--attest <attestation>', 'attestation parameters (not supported; disabled=true is accepted)');
  many('--build-arg <key[=value]>', 'set build-time variables');
  many('--build-context <name=source>', 'additional build contexts (e.g., name=path)');
  many('--cache-from <source>', 'external cache sources (e.g., user/app:cache, type=local,src=path/to/dir)');
  many(
    '--cache-to <destination>',
    'cache export destinations (e.g., user/app:cache, type=local,dest=path/to/dir)',
  );
  command.option(
    '--call <method>',
    'set method for evaluating build (build, check, outline, targets)',
    'build',
  );
  command.option('--cgroup-parent <cgroup>', 'set the parent cgroup for the RUN instructions during build');
  command.option('--check', 'shorthand for --call=check');
  command.addOption(new Option('--print <method>', 'the former name of --call').hideHelp());
  // All three are one setting: the last one counts.
  command.on('option:check', () => command.setOptionValue('call', 'check'));
  command.on('option:print', (method: string) => command.setOptionValue('call', method));
  command.option('-f, --file <path>', 'name of the Dockerfile (default: PATH/Dockerfile)');
  command.option('--iidfile <path>', 'write the image ID to a file');
  many('--label <key=value>', 'set metadata for an image');
  command.option('--load', 'shorthand for --output=type=docker');
  command.option('--metadata-file <path>', 'write build result metadata to a file');
  command.option(
    '--network <mode>',
    'set the networking mode for the RUN instructions during build',
    'default',
  );
  const noCache = new Option('--no-cache', 'do not use cache when building the image');
  noCache.negate = false;
  command.addOption(noCache);
  many('--no-cache-filter <stage>', 'do not cache specified stages');
  many('-o, --output <destination>', 'output destination (format: type=local,dest=path)');
  many('--platform <platform>', 'set target platform for build');
  many('--policy <policy>', 'policy configuration (not supported; disabled=true is accepted)');
  command.option(
    '--progress <type>',
    'set type of progress output (auto, none, plain, quiet, rawjson, tty)',
    'auto',
  );
  command.option('--provenance <value>', 'shorthand for --attest=type=provenance (only false is supported)');
  command.option('--pull', 'always attempt to pull all referenced images');
  command.option('--push', 'shorthand for --output=type=registry');
  command.option('-q, --quiet', 'suppress the build output and print image ID on success');
  many('--resource <limit>', 'resource limits for build containers (format: memory=2g, cpu-quota=50000)');
  command.option('--sbom <value>', 'shorthand for --attest=type=sbom (only false is supported)');
  many('--secret <secret>', 'secret to expose to the build (format: id=mysecret[,src=/local/secret])');
  command.option('--shm-size <bytes>', 'shared memory size for build containers');
  many(
    '--ssh <agent>',
    'SSH agent socket or keys to expose to the build (format: default|<id>[=<socket>|<key>[,<key>]])',
  );
  many('-t, --tag <name>', 'image identifier (format: [registry/]repository[:tag])');
  command.option('--target <stage>', 'set the target build stage to build');
  many('--ulimit <limit>', 'ulimit options');
  for (const [flags, description] of [
    ['-m, --memory <bytes>', 'memory limit'],
    ['--memory-swap <bytes>', 'swap limit equal to memory plus swap'],
    ['-c, --cpu-shares <weight>', 'CPU shares'],
    ['--cpu-period <us>', 'CPU CFS period'],
    ['--cpu-quota <us>', 'CPU CFS quota'],
    ['--cpuset-cpus <set>', 'CPUs in which to allow execution'],
    ['--cpuset-mems <set>', 'memory nodes in which to allow execution'],
    ['--compress', 'accepted for docker build; has no effect'],
    ['--isolation <type>', 'accepted for docker build; has no effect'],
    ['--squash', 'accepted for docker build; has no effect'],
    ['--force-rm', 'accepted for docker build; has no effect'],
  ] as const) {
    command.addOption(new Option(flags, description).hideHelp());
  }
  command.addOption(new Option('--rm', 'accepted for docker build; has no effect').hideHelp());
  command.addOption(
    new Option('--security-opt <option>', 'accepted for docker build; has no effect')
      .argParser((value: string, previous: string[] | undefined) => [...(previous ?? []), value])
      .hideHelp(),
  );
  return command;
}
