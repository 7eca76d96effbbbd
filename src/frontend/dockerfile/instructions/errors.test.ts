/** Every error that an instruction can have, with its text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DockerfileError } from '../parser/error.ts';
import { parseDockerfile } from '../parser/parser.ts';
import { expandCommand } from './expand.ts';
import { parseStages } from './parse.ts';

const NOT_BOTH = 'FROM requires either one or three arguments';

/** Text of line 2, or of line 1 if it is a FROM. */
const TABLE: readonly [string, string][] = [
  ['FOO x', 'unknown instruction: FOO (did you mean FROM?)'],
  ['runn x', 'unknown instruction: runn (did you mean run?)'],
  ['Copi a b', 'unknown instruction: Copi (did you mean copy?)'],
  ['NOTHINGNEAR', 'unknown instruction: NOTHINGNEAR'],
  ['FROM', NOT_BOTH],
  ['FROM a b', NOT_BOTH],
  ['FROM a is b', NOT_BOTH],
  ['FROM a AS b c', NOT_BOTH],
  ['FROM a AS 1x', 'invalid name for build stage: "1x", name can\'t start with a number or contain symbols'],
  [
    'FROM a AS x/Y',
    'invalid name for build stage: "x/Y", name can\'t start with a number or contain symbols',
  ],
  ['FROM --platfrom=x a', 'unknown flag: --platfrom (did you mean platform?)'],
  ['FROM --platform a', 'missing a value on flag: --platform'],
  ['FROM --platform=a --platform=b c', 'duplicate flag specified: --platform'],
  ['ENV', 'ENV requires at least one argument'],
  ['ENV =x', 'ENV names can not be blank'],
  ['ENV --x a=b', 'unknown flag: --x'],
  ['LABEL', 'LABEL requires at least one argument'],
  ['LABEL =x', 'LABEL names can not be blank'],
  ['LABEL --x=1 a=b', 'unknown flag: --x'],
  ['MAINTAINER', 'MAINTAINER requires exactly one argument'],
  ['MAINTAINER --x me', 'unknown flag: --x'],
  [
    'ADD a',
    'ADD requires at least two arguments, but only one was provided. Destination could not be determined',
  ],
  [
    'ADD --nosuch',
    'ADD requires at least two arguments, but only one was provided. Destination could not be determined',
  ],
  [
    'COPY',
    'COPY requires at least two arguments, but only one was provided. Destination could not be determined',
  ],
  ['ADD a <<E\nE', 'ADD cannot accept a heredoc as a destination'],
  ['COPY a <<E\nE', 'COPY cannot accept a heredoc as a destination'],
  ['COPY --links a b', 'unknown flag: --links (did you mean link?)'],
  ['COPY --keep-git-dir a b', 'unknown flag: --keep-git-dir'],
  ['COPY --link= a b', 'missing a value on flag: --link'],
  ['COPY --link=1 a b', 'expecting boolean value for flag --link, not: 1'],
  ['COPY --exclude a b', 'missing a value on flag: --exclude'],
  ['ADD --from=x a b', 'unknown flag: --from'],
  ['ADD --unpack --unpack a b', 'duplicate flag specified: --unpack'],
  ['ONBUILD', 'ONBUILD requires at least one argument'],
  ['ONBUILD --x RUN y', 'unknown flag: --x'],
  ['ONBUILD onbuild RUN x', "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
  ['ONBUILD from x', "FROM isn't allowed as an ONBUILD trigger"],
  ['ONBUILD Maintainer x', "MAINTAINER isn't allowed as an ONBUILD trigger"],
  ['WORKDIR', 'WORKDIR requires exactly one argument'],
  ['WORKDIR --x y', 'unknown flag: --x'],
  ['USER', 'USER requires exactly one argument'],
  ['USER --x y', 'unknown flag: --x'],
  ['STOPSIGNAL', 'STOPSIGNAL requires exactly one argument'],
  ['ARG', 'ARG requires at least one argument'],
  ['ARG a =b', 'ARG names can not be blank'],
  ['EXPOSE', 'EXPOSE requires at least one argument'],
  ['EXPOSE --x 80', 'unknown flag: --x'],
  ['VOLUME', 'VOLUME requires at least one argument'],
  ['VOLUME []', 'VOLUME requires at least one argument'],
  ['VOLUME ["/a", " "]', 'VOLUME specified can not be an empty string'],
  ['VOLUME --x /a', 'unknown flag: --x'],
  ['CMD --x a', 'unknown flag: --x'],
  ['ENTRYPOINT --x a', 'unknown flag: --x'],
  ['SHELL', 'SHELL requires at least one argument'],
  ['SHELL []', 'SHELL requires at least one argument'],
  ['SHELL bash -c', 'SHELL requires the arguments to be in JSON form'],
  ['SHELL --x ["a"]', 'unknown flag: --x'],
  ['HEALTHCHECK', 'HEALTHCHECK requires at least one argument'],
  ['HEALTHCHECK NONE x', 'HEALTHCHECK NONE takes no arguments'],
  ['HEALTHCHECK maybe x', 'Unknown type "MAYBE" in HEALTHCHECK (try CMD)'],
  ['HEALTHCHECK CMD', 'Missing command after HEALTHCHECK CMD'],
  ['HEALTHCHECK CMD []', 'Missing command after HEALTHCHECK CMD'],
  ['HEALTHCHECK --intervall=1s CMD x', 'unknown flag: --intervall (did you mean interval?)'],
  ['HEALTHCHECK --interval=1us CMD x', 'Interval "interval" cannot be less than 1ms'],
  ['HEALTHCHECK --start-period=-5s CMD x', 'Interval "start-period" cannot be less than 1ms'],
  ['HEALTHCHECK --timeout=5 CMD x', 'time: missing unit in duration "5"'],
  ['HEALTHCHECK --timeout=x CMD x', 'time: invalid duration "x"'],
  ['HEALTHCHECK --timeout=5y CMD x', 'time: unknown unit "y" in duration "5y"'],
  ['HEALTHCHECK --retries=x CMD x', 'strconv.ParseInt: parsing "x": invalid syntax'],
  ['HEALTHCHECK --retries=2147483648 CMD x', 'strconv.ParseInt: parsing "2147483648": value out of range'],
  ['HEALTHCHECK --retries=-1 CMD x', '--retries cannot be negative (-1)'],
  ['RUN --network=bridge x', 'invalid network mode "bridge"'],
  ['RUN --network= x', 'invalid network mode ""'],
  ['RUN --network=none --network=host x', 'duplicate flag specified: --network'],
  ['RUN --security=none x', 'security "none" is not valid'],
  ['RUN --mout=x y', 'unknown flag: --mout (did you mean mount?)'],
  ['RUN --mount x', 'missing a value on flag: --mount'],
  ['RUN --mount= x', 'failed to parse csv mounts: EOF'],
  [
    "RUN --mount='a\"b' x",
    'failed to parse csv mounts: parse error on line 1, column 2: bare " in non-quoted-field',
  ],
  [
    `RUN --mount='"a"b' x`,
    'failed to parse csv mounts: parse error on line 1, column 3: extraneous or missing " in quoted-field',
  ],
  [
    `RUN --mount='"a' x`,
    'failed to parse csv mounts: parse error on line 1, column 2: extraneous or missing " in quoted-field',
  ],
  [
    'RUN --mount=from=$x,target=/y z',
    "'from' doesn't support variable expansion, define alias stage instead",
  ],
  ['RUN --device= x', 'failed to parse csv devices: EOF'],
  ['RUN --device=a,b x', "invalid field 'b' must be a key=value pair"],
  ['RUN --device=a,name=b x', 'device name already set to a'],
  ['RUN --device=a,required=maybe x', 'invalid value for required: maybe'],
  ['RUN --device=a,requird=1 x', "unexpected key 'requird' in 'requird=1' (did you mean required?)"],
];

/** Values of `--mount` whose errors show when the command is expanded. */
const MOUNTS: readonly [string, string][] = [
  ['x', "invalid field 'x' must be a key=value pair"],
  ['target', "invalid field 'target' must be a key=value pair"],
  ['typ=bind', "unexpected key 'typ' in 'typ=bind' (did you mean type?)"],
  ['Nothing=x', "unexpected key 'nothing' in 'Nothing=x'"],
  ['type=volume', 'unsupported mount type "volume"'],
  ['type=binds', 'unsupported mount type "binds" (did you mean bind?)'],
  ['type=cache,sharing=lock', 'unsupported sharing value "lock" (did you mean locked?)'],
  ['required', "unexpected key 'required' for mount type 'bind'"],
  ['type=cache,required=true', "unexpected key 'required' for mount type 'cache'"],
  ['type=ssh,required=maybe', 'invalid value for required: maybe'],
  ['readonly=x', 'invalid value for readonly: x'],
  ['ro=x', 'invalid value for ro: x'],
  ['rw=x', 'invalid value for rw: x'],
  ['readwrite=', 'invalid value for readwrite: '],
  ['size=1', "unexpected key 'size' for mount type 'bind'"],
  ['type=tmpfs,size=abc', 'invalid value for size: abc'],
  ['type=tmpfs,size=1x', 'invalid value for size: 1x'],
  ['type=cache,mode=8', 'invalid value 8 for mode'],
  ['type=cache,uid=-1', 'invalid value -1 for uid'],
  ['type=cache,gid=4294967296', 'invalid value 4294967296 for gid'],
  ['mode=1', 'mode not allowed for "bind" type mounts'],
  ['type=tmpfs,uid=1', 'uid not allowed for "tmpfs" type mounts'],
  ['gid=1', 'gid not allowed for "bind" type mounts'],
  ['type=secret,from=x,id=y', 'secret mount should not have a from'],
  ['type=secret,id=y,sharing=shared', 'secret mount should not define sharing'],
  ['type=secret', 'invalid secret mount. one of source, target required'],
  ['type=secret,id=a,source=b', "both source and id can't be set"],
  ['type=ssh,sharing=shared', 'invalid cache sharing set for ssh mount'],
];

function failure(run: () => unknown): DockerfileError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof DockerfileError, String(error));
    return error;
  }
  assert.fail('no error');
}

test('parseStages fails with the texts of BuildKit, and the line', () => {
  for (const [line, message] of TABLE) {
    const isFrom = line.startsWith('FROM');
    const { instructions } = parseDockerfile(isFrom ? line : `FROM a\n${line}`);
    const error = failure(() => parseStages(instructions));
    const number = isFrom ? 1 : 2;
    assert.equal(error.message, `dockerfile parse error on line ${number}: ${message}`, line);
    assert.equal(error.code, 'DOCKERFILE');
    assert.equal(error.locations.length, 1, line);
    assert.equal(error.locations[0]?.[0]?.start.line, number, line);
  }
});

test('parseStages refuses commands before the first FROM', () => {
  const error = failure(() => parseStages(parseDockerfile('ARG a\nRUN x').instructions));
  assert.equal(error.message, 'no build stage in current context');
  assert.equal(error.locations[0]?.[0]?.start.line, 2);
});

test('expandCommand fails with the texts of BuildKit for mounts', () => {
  for (const [mount, message] of MOUNTS) {
    const { stages } = parseStages(parseDockerfile(`FROM a\nRUN --mount=${mount} x`).instructions);
    const [command] = stages[0]?.commands ?? [];
    assert.ok(command !== undefined);
    assert.equal(failure(() => expandCommand(command, (word) => word)).message, message, mount);
  }
});
