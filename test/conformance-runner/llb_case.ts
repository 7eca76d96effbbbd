/** The files of one case of the set `llb`, and a gateway that serves and records them. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { FrontendWarning, Gateway, GatewayRef } from '../../src/frontend/dockerfile/contract.ts';
import { CairnError, messageOf } from '../../src/errors/error.ts';
import { loadDefinition } from '../../src/llb/definition.ts';
import type { Definition } from '../../src/llb/gen/ops_pb.js';
import { formatPlatformFull, platformOf } from '../../src/llb/platform.ts';
import type { LayoutImages } from './layout_images.ts';

/** case.json. */
export interface LlbCase {
  attrs: Record<string, string>;
  /** Local name to directory, besides `context`. */
  contexts?: Record<string, string>;
}

export interface Recording {
  /** Definitions in the order in which they were solved. */
  solved: Definition[];
  resolved: Record<string, unknown>[];
  warnings: FrontendWarning[];
}

/** What the golden data has in the place of random ids. */
const FIXED_ID = '0'.repeat(25);

/** A gateway with fresh recordings; `opts` are the case's attributes. */
export function caseGateway(
  dir: string,
  one: LlbCase,
  images: LayoutImages,
): { gateway: Gateway; recording: Recording } {
  const recording: Recording = { solved: [], resolved: [], warnings: [] };
  const gateway: Gateway = {
    opts: { ...one.attrs },
    workerPlatforms: [platformOf({ OS: 'linux', Architecture: 'amd64' })],
    localUnique: FIXED_ID,
    newId: () => FIXED_ID,
    async solve(definition) {
      recording.solved.push(definition);
      return directoryRef(join(dir, directoryOf(definition, one)));
    },
    async resolveImageConfig(ref, { platform, resolveMode, logName }) {
      const call = {
        ref,
        ...(platform === undefined ? {} : { platform: formatPlatformFull(platform) }),
        resolveMode,
        logName,
      };
      try {
        const { digest, configDigest, config } = images.resolve(ref, platform);
        recording.resolved.push({ ...call, digest, configDigest });
        return { ref, digest, config };
      } catch (error) {
        recording.resolved.push({ ...call, error: messageOf(error) });
        throw error;
      }
    },
    warn: (warning) => recording.warnings.push(warning),
  };
  return { gateway, recording };
}

/** Sources that are not local stand for the main context. */
function directoryOf(definition: Definition, { contexts = {} }: LlbCase): string {
  const source = loadDefinition(definition)?.vertex.op.op;
  const identifier = source?.case === 'source' ? source.value.identifier : '';
  if (identifier === 'local://context' || !identifier.startsWith('local://')) return 'context';
  return contexts[identifier.replace('local://', '')] ?? '.';
}

function directoryRef(dir: string): GatewayRef {
  return {
    async readFile(path, range) {
      const file = join(dir, path);
      if (!existsSync(file)) {
        throw new CairnError(`open ${path}: no such file or directory`, { code: 'NOT_FOUND' });
      }
      const data = readFileSync(file);
      return range === undefined ? data : data.subarray(range.offset, range.offset + range.length);
    },
    async statFile(path) {
      const stat = statSync(join(dir, path), { throwIfNoEntry: false });
      return stat && { path, mode: stat.mode, size: stat.size, isDir: stat.isDirectory() };
    },
    async readDir(path) {
      return readdirSync(join(dir, path), { withFileTypes: true }).map((entry) => ({
        path: entry.name,
        isDir: entry.isDirectory(),
      }));
    },
  };
}
