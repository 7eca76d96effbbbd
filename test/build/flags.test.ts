/** The flags of `docker buildx build` as its users write them, through to what they do. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { stepsRun, type Cairn, type Outcome } from './cairn.ts';
import { cairnAndRegistry } from './cairn_and_registry.ts';

const { cairn, registry } = await cairnAndRegistry();

const LAUNCHER = join(import.meta.dirname, '../../bin/cairn.js');

let count = 0;

const project = (content: Record<string, string>): string => cairn.project(content);

async function succeed(args: string[], options?: Parameters<Cairn['run']>[1]): Promise<Outcome> {
  const outcome = await cairn.run(['build', ...args], options);
  assert.equal(outcome.code, 0, `${args.join(' ')}:\n${outcome.stderr}`);
  return outcome;
}

/** Builds into a directory and gives its path. */
async function files(
  args: string[],
  options?: Parameters<Cairn['run']>[1],
): Promise<(path: string) => string> {
  const out = join(cairn.directory, `out${count++}`);
  await succeed(['-o', out, ...args], options);
  return (path) => readFileSync(join(out, path), 'utf8');
}

interface ImageFile {
  config: { Env?: string[]; Labels?: Record<string, string> };
  created?: string;
}
const inspect = (image: string): ImageFile =>
  JSON.parse(
    execFileSync('skopeo', ['inspect', '--tls-verify=false', '--config', `docker://${image}`], {
      encoding: 'utf8',
    }),
  ) as ImageFile;

describe('spelling', () => {
  test('--flag=value and --flag value mean the same, the later of two booleans counts', async () => {
    const directory = project({
      Dockerfile:
        'FROM scratch AS one\nARG V\nLABEL v=$V\nCOPY Dockerfile /one\nFROM one AS two\nCOPY Dockerfile /two\n',
    });
    const image = `${registry.host}/flags/spelling`;
    for (const flags of [
      ['--target', 'one', '--build-arg', 'V=2', '--tag', `${image}:a`, '--push'],
      ['--target=one', '--build-arg=V=2', `--tag=${image}:b`, '--push=true', '--no-cache=false'],
      [
        '-t',
        `${image}:c`,
        `-f${directory}/Dockerfile`,
        '--push=false',
        '--push',
        '--target=one',
        '--build-arg=V=2',
      ],
    ]) {
      await succeed([...flags, directory]);
    }
    assert.equal(inspect(`${image}:a`).config.Labels?.['v'], '2');
    assert.deepEqual(inspect(`${image}:a`), inspect(`${image}:b`));
    assert.deepEqual(inspect(`${image}:a`), inspect(`${image}:c`));
    await succeed(['-t', `${image}:never`, '--push', '--push=false', directory]);
    assert.throws(() => inspect(`${image}:never`));
  });

  test('--no-cache=true runs every step again, --no-cache-filter those of a stage', async () => {
    const directory = project({
      Dockerfile:
        'FROM busybox AS a\nRUN echo a > /a\nFROM busybox AS b\nRUN echo b > /b\nFROM a\nCOPY --from=b /b /b\n',
    });
    await cairn.build([directory]);
    assert.deepEqual(stepsRun(await cairn.build([directory])), []);
    assert.equal(stepsRun(await cairn.build(['--no-cache=true', directory])).length, 3);
    const filtered = stepsRun(await cairn.build(['--no-cache-filter', 'b', directory]));
    assert.ok(
      filtered.some((name) => name.includes('RUN echo b')),
      filtered.join(),
    );
    assert.ok(!filtered.some((name) => name.includes('RUN echo a')), filtered.join());
  });

  test('build-args and labels; a bare --build-arg takes its value from the environment', async () => {
    const directory = project({
      Dockerfile: 'FROM scratch\nARG A\nARG B=default\nENV a=$A b=$B\nCOPY Dockerfile /\n',
    });
    const image = `${registry.host}/flags/args:1`;
    await succeed(
      ['--push', '-t', image, '--build-arg', 'A', '--label', 'x=y=z', '--label', 'empty', directory],
      {
        env: { A: 'from-env', B: 'not taken' },
      },
    );
    const { config } = inspect(image);
    assert.ok(
      config.Env?.includes('a=from-env') === true && config.Env.includes('b=default'),
      String(config.Env),
    );
    assert.deepEqual(config.Labels, { empty: '', x: 'y=z' });
  });

  test('environment variables: BUILDKIT_PROGRESS, SOURCE_DATE_EPOCH, CAIRN_ROOT', async () => {
    const directory = project({ Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n' });
    const image = `${registry.host}/flags/env:1`;
    const root = join(cairn.directory, 'other-root');
    const { stderr } = await succeed(['--push', '-t', image, directory], {
      env: { BUILDKIT_PROGRESS: 'rawjson', SOURCE_DATE_EPOCH: '1700000000', CAIRN_ROOT: root },
    });
    for (const line of stderr.trim().split('\n')) JSON.parse(line);
    assert.equal(inspect(image).created, '2023-11-14T22:13:20Z');
    assert.ok(existsSync(join(root, 'cairn.db')));
  });
});

describe('where the Dockerfile and the context come from', () => {
  const DOCKERFILE = 'FROM scratch\nCOPY a /a\n';

  test('-f - with a directory', async () => {
    const directory = project({ a: 'from context\n', Dockerfile: 'not this one\n' });
    assert.equal((await files(['-f', '-', directory], { stdin: DOCKERFILE }))('a'), 'from context\n');
  });

  test('- with a Dockerfile has an empty context', async () => {
    const read = await files(['-'], { stdin: 'FROM scratch\nCOPY <<EOF /b\nhere\nEOF\n' });
    assert.equal(read('b'), 'here\n');
    const { code, stderr } = await cairn.run(['build', '-'], { stdin: DOCKERFILE });
    assert.equal(code, 1);
    assert.match(stderr, /"\/a": not found/);
  });

  test('- with a tar, plain or packed, also with -f', async () => {
    const directory = project({
      a: 'in a tar\n',
      Dockerfile: DOCKERFILE,
      Other: 'FROM scratch\nCOPY a /other\n',
    });
    for (const flags of ['--format=ustar', '--format=gnu', '-z', '-j', '-J']) {
      const stdin = execFileSync('tar', ['-C', directory, flags, '-c', '.']);
      assert.equal((await files(['-'], { stdin }))('a'), 'in a tar\n', flags);
    }
    const stdin = execFileSync('tar', ['-C', directory, '-c', '.']);
    assert.equal((await files(['-f', 'Other', '-'], { stdin }))('other'), 'in a tar\n');
  });

  test('both from stdin is refused', async () => {
    const { code, stderr } = await cairn.run(['build', '-f', '-', '-'], { stdin: DOCKERFILE });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^ERROR: failed to build: invalid argument: can't use stdin for both build context and dockerfile$/m,
    );
  });

  test('a Dockerfile outside the context, its own ignore file, lower case', async () => {
    const context = project({ a: 'a\n', b: 'b\n', '.dockerignore': 'a\n' });
    const other = project({ 'X.Dockerfile': 'FROM scratch\nCOPY . /\n', 'X.Dockerfile.dockerignore': 'b\n' });
    const read = await files(['-f', join(other, 'X.Dockerfile'), context]);
    assert.equal(read('a'), 'a\n');
    assert.throws(() => read('b'));
    const lower = project({ a: 'a\n', dockerfile: DOCKERFILE });
    assert.equal((await files(['.'], { cwd: lower }))('a'), 'a\n');
  });

  test('a git address with branch and directory', async () => {
    const { startGitDaemon } = await import('../servers/git_daemon.ts');
    const git = await startGitDaemon({ port: 0 });
    try {
      const work = project({});
      const run = (...args: string[]) =>
        execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
          cwd: work,
          stdio: 'pipe',
        });
      run('init', '-q', '-b', 'main');
      mkdirSync(join(work, 'sub'));
      writeFileSync(join(work, 'sub/a'), 'in git\n');
      writeFileSync(join(work, 'sub/Dockerfile'), DOCKERFILE);
      run('add', '.');
      run('commit', '-q', '-m', 'x', '--date=2024-01-02T03:04:05Z');
      run('clone', '-q', '--bare', '.', join(git.root, 'ours.git'));
      assert.equal((await files([`${git.url}/ours.git#main:sub`]))('a'), 'in git\n');
      const other = project({ Dockerfile: 'FROM scratch\nCOPY --from=src a /named\n' });
      const read = await files(['--build-context', `src=${git.url}/ours.git#main:sub`, other]);
      assert.equal(read('named'), 'in git\n');
      const description = `shared git repo for ${git.url}/ours.git`;
      assert.ok((await cairn.run(['du', '--verbose'])).stdout.includes(description));
      const pruned = await cairn.run([
        'prune',
        '-f',
        '--verbose',
        '--filter',
        `description~=shared git repo`,
      ]);
      assert.ok(pruned.stdout.includes(description), pruned.stdout);
      assert.ok(!(await cairn.run(['du', '--verbose'])).stdout.includes(description));
      const again = await files([`${git.url}/ours.git#main:sub`, '--no-cache']);
      assert.equal(again('a'), 'in git\n');
    } finally {
      await git.stop();
    }
  });

  test('an http address of a tar or of a Dockerfile', async () => {
    const { startWww } = await import('../servers/www.ts');
    const root = project({
      a: 'over http\n',
      Dockerfile: DOCKERFILE,
      Lone: 'FROM scratch\nCOPY <<EOF /c\nlone\nEOF\n',
    });
    execFileSync('tar', ['-C', root, '-czf', join(root, 'context.tar.gz'), 'a', 'Dockerfile']);
    const www = await startWww({ port: 0, root });
    try {
      assert.equal((await files([`${www.url}/context.tar.gz`]))('a'), 'over http\n');
      assert.equal((await files([`${www.url}/Lone`]))('c'), 'lone\n');
      const { code, stderr } = await cairn.run(['build', `${www.url}/nope.tar`]);
      assert.equal(code, 1);
      assert.match(stderr, /^ERROR: failed to build: failed to solve: .*404/m);
    } finally {
      await www.stop();
    }
  });

  test('-f with an http address, beside any context', async () => {
    const { startWww } = await import('../servers/www.ts');
    const www = await startWww({ port: 0, root: project({ Elsewhere: DOCKERFILE }) });
    try {
      const context = project({ a: 'from context\n', Dockerfile: 'not this one\n' });
      assert.equal((await files(['-f', `${www.url}/Elsewhere`, context]))('a'), 'from context\n');
      const stdin = execFileSync('tar', ['-C', context, '-c', '.']);
      assert.equal((await files(['-f', `${www.url}/Elsewhere`, '-'], { stdin }))('a'), 'from context\n');
      const { code, stderr } = await cairn.run(['build', '-f', `${www.url}/nowhere`, context]);
      assert.equal(code, 1);
      assert.match(stderr, /^ERROR: failed to build: failed to download the Dockerfile http.*status 404$/m);
    } finally {
      await www.stop();
    }
  });

  test('--build-context from a directory, an image and an OCI layout', async () => {
    const lib = project({ a: 'lib\n' });
    const layout = join(cairn.directory, 'layout');
    await succeed(['-o', `type=oci,tar=false,dest=${layout}`, '-t', 'x:y', '-f', '-', lib], {
      stdin: 'FROM scratch\nCOPY a /in-layout\n',
    });
    const directory = project({
      Dockerfile:
        'FROM base\nCOPY --from=lib a /lib\nCOPY --from=lay in-layout /lay\nRUN test -e /bin/busybox && echo ok > /ran\n',
    });
    const read = await files([
      '--build-context=base=docker-image://alpine:3.20',
      '--build-context',
      `lib=${lib}`,
      '--build-context',
      `lay=oci-layout://${layout}`,
      directory,
    ]);
    assert.deepEqual([read('lib'), read('lay'), read('ran')], ['lib\n', 'lib\n', 'ok\n']);
  });

  test('a directory as the base image, with nothing done in it', async () => {
    const base = project({ a: 'base\n', '.dockerignore': 'b\n', b: 'ignored\n' });
    const directory = project({ Dockerfile: 'FROM base\nLABEL x=y\n' });
    const read = await files(['--build-context', `base=${base}`, directory]);
    assert.equal(read('a'), 'base\n');
    assert.throws(() => read('b'));
    // The layer's description is in the image's history, too.
    assert.match((await cairn.run(['du', '--verbose'])).stdout, /^Description:\s+local source for base$/m);
  });

  test('errors of remote contexts name what could not be read', async () => {
    const { startGitDaemon } = await import('../servers/git_daemon.ts');
    const git = await startGitDaemon({ port: 0 });
    try {
      const failed = async (address: string) => (await cairn.run(['build', address])).stderr;
      const address = `${git.url}/none.git`;
      assert.match(
        await failed(address),
        /failed to solve: failed to read dockerfile: failed to load cache key: /,
      );
    } finally {
      await git.stop();
    }
    assert.match(
      (await cairn.run(['build', `http://${registry.host}/v2/nothing`])).stderr,
      /failed to solve: failed to read downloaded context: failed to load cache key: invalid response status 404$/m,
    );
  });
});

describe('output', () => {
  let directory: string;
  before(() => {
    directory = project({ Dockerfile: 'FROM busybox\nRUN echo hi > /hi\n' });
  });

  test('every type, several at once', async () => {
    const out = join(cairn.directory, 'all');
    mkdirSync(out);
    const metadata = join(out, 'metadata.json');
    const iid = join(out, 'iid');
    await succeed([
      '-t',
      `${registry.host}/flags/all:1`,
      '-o',
      `type=oci,dest=${out}/oci.tar`,
      '-o',
      `type=oci,dest=${out}/oci,tar=false`,
      '-o',
      `type=docker,dest=${out}/docker.tar`,
      '-o',
      'type=registry',
      '-o',
      'type=cacheonly',
      '--metadata-file',
      metadata,
      '--iidfile',
      iid,
      directory,
    ]);
    const digest = (image: string) =>
      execFileSync('skopeo', ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', image], {
        encoding: 'utf8',
      }).trim();
    const described = JSON.parse(readFileSync(metadata, 'utf8')) as Record<string, unknown>;
    assert.equal(digest(`docker://${registry.host}/flags/all:1`), described['containerimage.digest']);
    assert.equal(digest(`oci:${out}/oci`), digest(`oci-archive:${out}/oci.tar`));
    assert.match(digest(`docker-archive:${out}/docker.tar`), /^sha256:/);
    assert.equal(readFileSync(iid, 'utf8'), described['containerimage.config.digest']);
    assert.match(String(described['buildx.build.ref']), /^\w+\/\w+\/\w+$/);
    const tar = join(out, 'files.tar');
    await succeed(['-o', `type=tar,dest=${tar}`, '-o', `type=local,dest=${out}/files`, directory]);
    assert.ok(execFileSync('tar', ['-tf', tar], { encoding: 'utf8' }).split('\n').includes('hi'));
    assert.equal(readFileSync(join(out, 'files/hi'), 'utf8'), 'hi\n');
  });

  test('- writes a tar to stdout, before the line of -q, however slow the reader', async () => {
    const child = spawn(process.execPath, [LAUNCHER, 'build', '-q', '-o', '-', directory], {
      env: { ...process.env, CAIRN_ROOT: cairn.store, CAIRN_CONFIG: join(cairn.directory, 'cairn.toml') },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      child.stdout.pause();
      setTimeout(() => child.stdout.resume(), 5);
    });
    assert.equal(await new Promise((done) => child.once('close', done)), 0);
    const all = Buffer.concat(chunks);
    assert.equal(all.toString('latin1', all.length - 1), '\n');
    assert.equal(
      execFileSync('tar', ['-xO', 'hi'], { input: all.subarray(0, -1), encoding: 'utf8' }),
      'hi\n',
    );
  });

  test('-q prints the image id alone', async () => {
    const { stdout, stderr } = await succeed([
      '-q',
      '-o',
      `type=oci,dest=${cairn.directory}/q.tar`,
      directory,
    ]);
    assert.match(stdout, /^sha256:[0-9a-f]{64}\n$/);
    assert.equal(stderr, '');
  });

  test('a failed build leaves an earlier output file and no other behind', async () => {
    const file = join(cairn.directory, 'kept.tar');
    writeFileSync(file, 'earlier');
    const bad = project({ Dockerfile: 'FROM busybox\nRUN false\n' });
    assert.equal((await cairn.run(['build', '-o', `type=oci,dest=${file}`, bad])).code, 1);
    assert.equal(readFileSync(file, 'utf8'), 'earlier');
  });

  test('the same digest from two new stores with SOURCE_DATE_EPOCH and rewrite-timestamp', async () => {
    const source = project({
      a: 'a\n',
      Dockerfile:
        'FROM busybox\nCOPY a /a\nRUN mkdir -p /d/e && echo x > /d/e/x && ln /a /b && date > /dev/null\n',
    });
    const digests: unknown[] = [];
    for (const name of ['one', 'two']) {
      const metadata = join(cairn.directory, `${name}.json`);
      await succeed(
        [
          '--no-cache',
          '-o',
          `type=oci,dest=${cairn.directory}/${name}.tar,rewrite-timestamp=true`,
          '--metadata-file',
          metadata,
          source,
        ],
        { env: { SOURCE_DATE_EPOCH: '1700000000', CAIRN_ROOT: join(cairn.directory, `store-${name}`) } },
      );
      digests.push(
        (JSON.parse(readFileSync(metadata, 'utf8')) as Record<string, unknown>)['containerimage.digest'],
      );
    }
    assert.match(String(digests[0]), /^sha256:/);
    assert.equal(digests[0], digests[1]);
  });
});

describe('questions about a Dockerfile', () => {
  const WARNS = 'FROM scratch as a\nCOPY Dockerfile /\n';
  const OUTLINE = 'ARG BASE=scratch\nFROM $BASE AS first\nCOPY Dockerfile /\nFROM first AS last\n';

  test('--check and --call=check exit with 1 when there are warnings', async () => {
    const bad = project({ Dockerfile: WARNS });
    const good = project({ Dockerfile: OUTLINE });
    for (const flag of ['--check', '--call=check', '--call=lint']) {
      const { code, stdout } = await cairn.run(['build', flag, bad]);
      assert.equal(code, 1, stdout);
      assert.match(stdout, /^Check complete, 1 warning has been found!/);
      assert.match(stdout, /WARNING: FromAsCasing - /);
      assert.ok(stdout.includes(`${bad}/Dockerfile:1`), stdout);
      const fine = await cairn.run(['build', flag, good]);
      assert.equal(fine.code, 0, fine.stderr);
      assert.equal(fine.stdout, 'Check complete, no warnings found.\n');
    }
    const { code, stdout } = await cairn.run(['build', '--call=check,format=json,ignorestatus=true', bad]);
    assert.equal(code, 0);
    assert.equal(
      (JSON.parse(stdout) as { warnings: { ruleName: string }[] }).warnings[0]?.ruleName,
      'FromAsCasing',
    );
  });

  test('outline and targets', async () => {
    const directory = project({ Dockerfile: OUTLINE });
    const outline = await succeed(['--call=outline', directory]);
    assert.match(outline.stdout, /^BASE +scratch/m);
    const targets = await succeed(['--call', 'targets', directory]);
    assert.match(targets.stdout, /^first\s*$/m);
    assert.match(targets.stdout, /^last \(default\)\s*$/m);
    const json = await succeed(['--call=targets,format=json', directory]);
    assert.equal((JSON.parse(json.stdout) as { targets: unknown[] }).targets.length, 2);
    const described = await succeed(['--call=subrequests.describe', directory]);
    assert.match(described.stdout, /^NAME +VERSION DESCRIPTION\noutline +1\.0\.0 +List all parameters /);
  });

  test('--metadata-file has the answer', async () => {
    const file = join(cairn.directory, 'answer.json');
    await cairn.run(['build', '--check', '--metadata-file', file, project({ Dockerfile: WARNS })]);
    const answer = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    assert.deepEqual(Object.keys(answer), ['result.json', 'result.statuscode', 'result.txt', 'version']);
    assert.equal(answer['result.statuscode'], '1');
  });

  test('warnings of an ordinary build are told at its end', async () => {
    const { stderr } = await succeed(['--progress=plain', project({ Dockerfile: WARNS })]);
    assert.match(stderr, /1 warning found \(use --debug to expand\):\n - FromAsCasing: /);
  });
});

describe('what steps are given', () => {
  test('--secret from a file and from the environment', async () => {
    const directory = project({
      token: 'from file\n',
      Dockerfile:
        'FROM busybox\nRUN --mount=type=secret,id=f --mount=type=secret,id=e,target=/e,uid=7,mode=0444 --mount=type=secret,id=e,env=E cat /run/secrets/f /e > /out && echo " $E" >> /out && stat -c %u:%a /e >> /out\n',
    });
    const read = await files(
      ['--secret', `id=f,src=${directory}/token`, '--secret', 'id=e,env=MINE', directory],
      {
        env: { MINE: 'from env' },
      },
    );
    assert.equal(read('out'), 'from file\nfrom env from env\n7:444\n');
  });

  test('--ssh forwards an agent and key files', async (t) => {
    if (spawnSync('which', ['ssh-agent']).status !== 0) {
      t.skip('ssh-agent is not installed');
      return;
    }
    const keys = project({});
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(keys, 'key')]);
    const socket = join(keys, 'agent');
    const agent: ChildProcess = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    try {
      while (!existsSync(socket)) await new Promise((done) => setTimeout(done, 20));
      execFileSync('ssh-add', ['-q', join(keys, 'key')], {
        env: { ...process.env, SSH_AUTH_SOCK: socket },
        stdio: 'ignore',
      });
      const directory = project({
        Dockerfile: 'FROM busybox\nRUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo yes > /yes\n',
      });
      assert.equal(
        (await files(['--ssh', 'default', directory], { env: { SSH_AUTH_SOCK: socket } }))('yes'),
        'yes\n',
      );
      assert.equal((await files(['--no-cache', '--ssh', `default=${keys}/key`, directory]))('yes'), 'yes\n');
      const required = project({ Dockerfile: 'FROM busybox\nRUN --mount=type=ssh,required true\n' });
      const { code, stderr } = await cairn.run(['build', required]);
      assert.equal(code, 1);
      assert.match(stderr, /unset ssh forward key default/);
    } finally {
      agent.kill();
    }
  });

  test('--network, --add-host, --shm-size, --ulimit', async () => {
    const directory = project({
      Dockerfile:
        'FROM busybox\nRUN cut -d: -f1 /proc/net/dev > /net; cp /etc/hosts /hosts; df -k /dev/shm | tail -1 > /shm; ulimit -n > /nofile; ulimit -Hn >> /nofile\n',
    });
    const none = await files([
      '--network=none',
      '--add-host',
      'db.example:10.1.2.3',
      '--shm-size=32m',
      '--ulimit',
      'nofile=123:456',
      directory,
    ]);
    assert.match(none('net'), /^ *lo\n$/m);
    assert.equal(none('net').split('\n').length, 4, 'the interface and two lines of heading');
    assert.match(none('hosts'), /^10\.1\.2\.3\s+db\.example$/m);
    assert.match(none('shm'), /\b32768\b/);
    assert.equal(none('nofile'), '123\n456\n');
    const host = await files(['--network', 'host', directory]);
    const ours = execFileSync('cut', ['-d:', '-f1', '/proc/net/dev'], { encoding: 'utf8' });
    assert.equal(host('net'), ours);
  });

  test('--allow lets a step do what it may not otherwise', async () => {
    const directory = project({
      Dockerfile: 'FROM busybox\nRUN --security=insecure grep CapEff /proc/self/status > /caps\n',
    });
    assert.equal((await cairn.run(['build', directory])).code, 1);
    const read = await files(['--allow', 'security.insecure', directory]);
    // An ordinary user's steps have what there is in a user namespace: all.
    const cat = ['cat', '/proc/self/status'];
    const [program = '', ...args] = process.getuid?.() === 0 ? cat : ['unshare', '--map-root-user', ...cat];
    const status = execFileSync(program, args, { encoding: 'utf8' });
    const all = /^CapBnd:(.*\n)/m.exec(status)?.[1] ?? '';
    assert.equal(read('caps'), `CapEff:${all}`);
  });
});

test('nothing is left in the directory for temporary files', () => {
  const left = execFileSync('sh', ['-c', `find "$0" -name '*.tmp' -o -name '.*.tmp'`, cairn.directory], {
    encoding: 'utf8',
  });
  assert.equal(left, '');
  assert.ok(statSync(cairn.store).isDirectory());
  rmSync(join(cairn.directory, 'all'), { recursive: true, force: true });
});
