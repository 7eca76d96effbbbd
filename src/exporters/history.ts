import { CairnError } from '../errors/error.ts';
import { isAfter, parseGoTime, type GoTime } from './go_time.ts';

/** An entry of an image config's history (OCI image-spec v1.1, config.md); one per step, empty layers included. */
export interface HistoryEntry {
  created?: GoTime;
  createdBy?: string;
  author?: string;
  comment?: string;
  emptyLayer?: boolean;
}

/** What is known of a layer besides its descriptor. */
export interface LayerOrigin {
  createdAt?: GoTime;
  /** What made it, for history entries that the config lacks. */
  description?: string;
}

/** Comment on entries that the exporter had to add, as BuildKit v0.32.2 writes it. */
const ADDED_COMMENT = 'buildkit.exporter.image.v0';
const NO_DESCRIPTION = 'created by buildkit';

/** @throws CairnError CORRUPT when a field has another type than the specification says */
export function parseHistory(history: unknown): HistoryEntry[] | undefined {
  if (history === undefined || history === null) return undefined;
  if (!Array.isArray(history)) throw invalid();
  return history.map((item: unknown) => {
    if (item === null) return {};
    if (typeof item !== 'object') throw invalid();
    const fields = new Map<string, unknown>(Object.entries(item));
    const text = (key: string): string => {
      const value = fields.get(key) ?? '';
      if (typeof value !== 'string') throw invalid();
      return value;
    };
    const entry: HistoryEntry = {};
    if (text('created') !== '') entry.created = parseGoTime(text('created'));
    if (text('created_by') !== '') entry.createdBy = text('created_by');
    if (text('author') !== '') entry.author = text('author');
    if (text('comment') !== '') entry.comment = text('comment');
    if (fields.get('empty_layer') === true) entry.emptyLayer = true;
    return entry;
  });
}

function invalid(): CairnError {
  return new CairnError('image config has an invalid history', { code: 'CORRUPT' });
}

/** The entry with the specification's names, in the order in which Go writes them. */
export function historyJson(entry: HistoryEntry): Record<string, unknown> {
  return {
    created: entry.created?.text,
    created_by: entry.createdBy,
    author: entry.author,
    comment: entry.comment,
    empty_layer: entry.emptyLayer,
  };
}

/**
 * Makes history and layers agree, and dates every entry, by the rules of BuildKit's exporter
 * (exporter/containerimage, v0.32.2): surplus entries become empty layers, missing ones are added, layers get
 * the time of their making, and the rest the time of the first new layer or of the entry before.
 *
 * @param layers one per layer, lowest first
 */
export function normalizeHistory(
  history: readonly HistoryEntry[],
  layers: readonly LayerOrigin[],
): HistoryEntry[] {
  const entries = history.map((entry) => ({ ...entry }));
  let counted = 0;
  for (const entry of entries) {
    if (entry.emptyLayer === true) continue;
    if (counted >= layers.length) entry.emptyLayer = true;
    else counted++;
  }
  for (const layer of layers.slice(counted)) {
    entries.push({
      ...(layer.createdAt === undefined ? {} : { created: layer.createdAt }),
      createdBy: layer.description ?? NO_DESCRIPTION,
      comment: ADDED_COMMENT,
    });
  }
  let index = 0;
  for (const entry of entries) {
    if (entry.emptyLayer === true) continue;
    const createdAt = layers[index++]?.createdAt;
    if (entry.created === undefined && createdAt !== undefined) entry.created = createdAt;
  }
  fillTimes(entries);
  return entries;
}

/** Dates what has no date: metadata steps belong to the build, not to the time of the base image. */
function fillTimes(entries: HistoryEntry[]): void {
  let created: GoTime | undefined;
  let undated = false;
  for (const entry of entries) {
    if (entry.created === undefined) {
      undated = true;
      continue;
    }
    created = entry.created;
    if (undated) break;
  }
  undated = false;
  for (const entry of entries) {
    if (entry.created === undefined) {
      undated = true;
      if (created !== undefined) entry.created = created;
    } else if (undated) {
      created = entry.created;
    }
  }
}

/** Clamps the dates of entries to SOURCE_DATE_EPOCH, but for those that the base image already had. */
export function clampHistory(
  entries: readonly HistoryEntry[],
  base: readonly HistoryEntry[],
  epoch: GoTime,
): HistoryEntry[] {
  let diverged = false;
  return entries.map((entry, i) => {
    const same =
      base[i] !== undefined && JSON.stringify(historyJson(entry)) === JSON.stringify(historyJson(base[i]));
    if (!diverged && same) return entry;
    diverged = true;
    return entry.created === undefined || isAfter(entry.created, epoch)
      ? { ...entry, created: epoch }
      : entry;
  });
}
