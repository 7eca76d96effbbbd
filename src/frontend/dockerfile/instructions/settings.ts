/** Instructions that only set something: ARG, ENV, EXPOSE, LABEL, MAINTAINER, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR. */
import type { InstructionNode } from '../parser/contract.ts';
import { DockerfileError } from '../parser/error.ts';
import { encodeText } from '../text/bytes.ts';
import { goUpper } from '../text/case.ts';
import { trimSpace } from '../text/space.ts';
import { refuseFlags } from './flag_set.ts';
import { atLeastOne, commandBase, docComment, exactlyOne } from './request.ts';
import type {
  ArgCommand,
  EnvCommand,
  ExposeCommand,
  KeyValue,
  LabelCommand,
  MaintainerCommand,
  OnbuildCommand,
  StopSignalCommand,
  UserCommand,
  VolumeCommand,
  WorkdirCommand,
} from './types.ts';

const ONBUILD_PREFIX = /^[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*/i;

/** @throws DockerfileError */
export function parseEnv(node: InstructionNode): EnvCommand {
  refuseFlags(node.flags);
  return { kind: 'env', ...commandBase(node), env: keyValues(node, 'ENV') };
}

/** @throws DockerfileError */
export function parseLabel(node: InstructionNode): LabelCommand {
  refuseFlags(node.flags);
  return { kind: 'label', ...commandBase(node), labels: keyValues(node, 'LABEL') };
}

/** @throws DockerfileError */
export function parseMaintainer(node: InstructionNode): MaintainerCommand {
  const maintainer = exactlyOne(node, 'MAINTAINER');
  refuseFlags(node.flags);
  return { kind: 'maintainer', ...commandBase(node), maintainer };
}

/** @throws DockerfileError */
export function parseWorkdir(node: InstructionNode): WorkdirCommand {
  const path = exactlyOne(node, 'WORKDIR');
  refuseFlags(node.flags);
  return { kind: 'workdir', ...commandBase(node), path };
}

/** @throws DockerfileError */
export function parseUser(node: InstructionNode): UserCommand {
  const user = exactlyOne(node, 'USER');
  refuseFlags(node.flags);
  return { kind: 'user', ...commandBase(node), user };
}

/** Flags are ignored. @throws DockerfileError */
export function parseStopSignal(node: InstructionNode): StopSignalCommand {
  const signal = exactlyOne(node, 'STOPSIGNAL');
  return { kind: 'stopsignal', ...commandBase(node), signal };
}

/** @throws DockerfileError */
export function parseExpose(node: InstructionNode): ExposeCommand {
  const ports = atLeastOne(node, 'EXPOSE').toSorted((a, b) => Buffer.compare(encodeText(a), encodeText(b)));
  refuseFlags(node.flags);
  return { kind: 'expose', ...commandBase(node), ports };
}

/** @throws DockerfileError */
export function parseVolume(node: InstructionNode): VolumeCommand {
  const args = atLeastOne(node, 'VOLUME');
  refuseFlags(node.flags);
  const volumes = args.map((arg) => trimSpace(arg));
  if (volumes.includes('')) {
    throw new DockerfileError('VOLUME specified can not be an empty string');
  }
  return { kind: 'volume', ...commandBase(node), volumes };
}

/** Flags are ignored. @throws DockerfileError */
export function parseArg(node: InstructionNode): ArgCommand {
  const args = atLeastOne(node, 'ARG').map((arg) => {
    const equals = arg.indexOf('=');
    if (equals === 0) throw new DockerfileError('ARG names can not be blank');
    const key = equals === -1 ? arg : arg.slice(0, equals);
    const value = equals === -1 ? undefined : arg.slice(equals + 1);
    return { key, value, docComment: docComment(node.comments, key) };
  });
  return { kind: 'arg', ...commandBase(node), args };
}

/** @throws DockerfileError */
export function parseOnbuild(node: InstructionNode): OnbuildCommand {
  const [word = ''] = atLeastOne(node, 'ONBUILD');
  refuseFlags(node.flags);
  const trigger = goUpper(trimSpace(word));
  if (trigger === 'ONBUILD') {
    throw new DockerfileError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  }
  if (trigger === 'MAINTAINER' || trigger === 'FROM') {
    throw new DockerfileError(`${trigger} isn't allowed as an ONBUILD trigger`);
  }
  const heredocs = node.heredocs.map(({ content, name }) => `\n${content}${name}`);
  const expression = node.original.replace(ONBUILD_PREFIX, '') + heredocs.join('');
  return { kind: 'onbuild', ...commandBase(node), expression };
}

/** The parser's triples of name, value and delimiter. */
function keyValues(node: InstructionNode, keyword: 'ENV' | 'LABEL'): KeyValue[] {
  const args = atLeastOne(node, keyword);
  const pairs: KeyValue[] = [];
  for (let at = 0; at + 2 < args.length; at += 3) {
    const [key = '', value = '', delimiter] = args.slice(at, at + 3);
    if (key === '') throw new DockerfileError(`${keyword} names can not be blank`);
    pairs.push({ key, value, legacy: delimiter === '' });
  }
  return pairs;
}
