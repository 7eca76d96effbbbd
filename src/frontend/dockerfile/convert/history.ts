/** The image config's history: one entry per instruction. */
import type { Arg } from '../instructions/types.ts';
import { DockerfileError } from '../parser/error.ts';
import type { Env } from '../shell/contract.ts';
import type { ImageConfig } from './image_config.ts';

/** Tells BuildKit's entries from those of other builders. */
const COMMENT = 'buildkit.dockerfile.v0';
/** The years that Go can write as RFC 3339. */
const YEARS = { first: -62_167_219_200n, end: 253_402_300_800n };

/** Adds an entry for an instruction that changes only the config. */
export function addConfigHistory(image: ImageConfig, createdBy: string, epoch: bigint | undefined): void {
  add(image, createdBy, false, epoch);
}

/** Adds an entry for an instruction that makes a layer. */
export function addLayerHistory(image: ImageConfig, createdBy: string, epoch: bigint | undefined): void {
  add(image, createdBy, true, epoch);
}

function add(image: ImageConfig, createdBy: string, layer: boolean, epoch: bigint | undefined): void {
  image.history.push({
    created: epoch === undefined ? undefined : rfc3339(epoch),
    createdBy,
    comment: COMMENT,
    emptyLayer: !layer,
  });
}

/** The entry's text for a RUN: the ARGs in effect are counted and listed before it. */
export function runHistory(args: readonly string[], buildArgs: readonly Arg[], env: Env): string {
  const values = new Map<string, string>();
  for (const { key, value } of buildArgs) values.set(key, env.get(key) ?? value ?? '');
  const listed = [...values].map(([key, value]) => `${key}=${value}`);
  const prefix = listed.length === 0 ? [] : [`|${listed.length}`, ...listed];
  return `RUN ${[...prefix, ...args].join(' ')} # buildkit`;
}

/** Seconds that no RFC 3339 time stands for stay a number, which {@link checkTime} refuses. */
function rfc3339(seconds: bigint): string {
  if (seconds < YEARS.first || seconds >= YEARS.end) return seconds.toString();
  return new Date(Number(seconds) * 1000).toISOString().replace('.000Z', 'Z');
}

/** @throws DockerfileError for a time that an image config cannot hold */
export function checkTime(created: string | undefined): string | undefined {
  if (created === undefined || !/^-?\d+$/.test(created)) return created;
  throw new DockerfileError(
    'failed to marshal image config: json: error calling MarshalJSON for type *time.Time: ' +
      'Time.MarshalJSON: year outside of range [0,9999]',
  );
}
