import type { Digest } from '../content/contract.ts';
import { CairnError } from '../errors/error.ts';
import { goJson } from '../llb/go_json.ts';
import { hostPlatform, normalizePlatform } from '../llb/platform.ts';
import { goTimeOfEpoch, isAfter, parseGoTime, type GoTime } from './go_time.ts';
import {
  clampHistory,
  historyJson,
  normalizeHistory,
  parseHistory,
  type HistoryEntry,
  type LayerOrigin,
} from './history.ts';
import { rawMembers, sortedObject } from './raw_json.ts';

/** PATH of images whose frontend gave no config (BuildKit's util/system, for unix). */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface ConfigLayer extends LayerOrigin {
  diffID: Digest;
}

export interface ConfigInput {
  /** The frontend's JSON; empty: none. */
  imageConfig: string;
  baseImageConfig?: string | undefined;
  /** Lowest first. */
  layers: readonly ConfigLayer[];
  /** Unix seconds. */
  sourceDateEpoch?: number | undefined;
  inlineCache?: Uint8Array | undefined;
  /** What made each layer; asked only when the history lacks entries for some. */
  describe?: () => (string | undefined)[];
}

/**
 * The final image config: the frontend's with rootfs, history, creation time and inline cache filled in, keys
 * sorted, as BuildKit v0.32.2 writes it (exporter/containerimage, patchImageConfig).
 *
 * @throws CairnError CORRUPT when the config is not one
 */
export function finishConfig(input: ConfigInput): string {
  const text = input.imageConfig === '' ? defaultConfig() : input.imageConfig;
  const members = rawMembers(text);
  for (const key of ['os', 'architecture']) {
    const value: unknown = JSON.parse(members.get(key) ?? '""');
    if (typeof value !== 'string' || value === '') {
      throw new CairnError(`invalid image config for export: missing ${key}`, { code: 'CORRUPT' });
    }
  }
  const epoch = input.sourceDateEpoch === undefined ? undefined : goTimeOfEpoch(input.sourceDateEpoch);
  const configured = parseHistory(JSON.parse(members.get('history') ?? 'null'));
  let history = normalizeHistory(configured ?? [], layerOrigins(input, configured ?? []));
  if (epoch !== undefined) history = clampHistory(history, historyOf(input.baseImageConfig), epoch);

  const diffIDs = input.layers.map((layer) => layer.diffID);
  members.set('rootfs', goJson({ type: 'layers', diff_ids: diffIDs.length === 0 ? null : diffIDs }));
  // Go's nil slice: neither the config nor the exporter had anything to say.
  members.set(
    'history',
    configured === undefined && history.length === 0 ? 'null' : goJson(history.map(historyJson)),
  );
  members.set(
    'created',
    createdJson(members.get('created'), history.findLast((h) => h.created)?.created, epoch),
  );
  if (input.inlineCache !== undefined) {
    members.set('moby.buildkit.cache.v0', JSON.stringify(Buffer.from(input.inlineCache).toString('base64')));
  }
  return sortedObject(members);
}

/** The layers, with descriptions where an entry has to be made up for one. */
function layerOrigins(input: ConfigInput, history: readonly HistoryEntry[]): readonly LayerOrigin[] {
  const entries = history.filter((entry) => entry.emptyLayer !== true).length;
  if (entries >= input.layers.length || input.describe === undefined) return input.layers;
  const descriptions = input.describe();
  return input.layers.map((layer, i) => {
    const description = descriptions[i] ?? '';
    return description === '' ? layer : { ...layer, description };
  });
}

function createdJson(raw: string | undefined, newest: GoTime | undefined, epoch: GoTime | undefined): string {
  if (raw === undefined) return JSON.stringify(newest?.text ?? null);
  const value: unknown = JSON.parse(raw);
  if (epoch === undefined || typeof value !== 'string') return raw;
  return isAfter(parseGoTime(value), epoch) ? JSON.stringify(epoch.text) : raw;
}

function historyOf(baseImageConfig: string | undefined): ReturnType<typeof normalizeHistory> {
  if (baseImageConfig === undefined || baseImageConfig === '') return [];
  return parseHistory(JSON.parse(rawMembers(baseImageConfig).get('history') ?? 'null')) ?? [];
}

/** diffIDs of the image that this one was built on; empty: none. */
export function baseDiffIDs(baseImageConfig: string | undefined): string[] {
  if (baseImageConfig === undefined || baseImageConfig === '') return [];
  const rootfs: unknown = JSON.parse(rawMembers(baseImageConfig).get('rootfs') ?? 'null');
  if (typeof rootfs !== 'object' || rootfs === null || !('diff_ids' in rootfs)) return [];
  return Array.isArray(rootfs.diff_ids) ? rootfs.diff_ids.map(String) : [];
}

function defaultConfig(): string {
  const platform = normalizePlatform(hostPlatform());
  return goJson({
    architecture: platform.Architecture,
    os: platform.OS,
    variant: platform.Variant === '' ? undefined : platform.Variant,
    config: { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: null },
  });
}
