import { CairnError } from '../errors/error.ts';
import { formatPlatformFull, parsePlatform } from '../llb/platform.ts';
import type { Platform } from '../llb/gen/ops_pb.js';

/** Where annotations can be put: into the document, or onto the descriptor that points to it. */
const LEVELS = ['index', 'index-descriptor', 'manifest', 'manifest-descriptor'] as const;
export type AnnotationLevel = (typeof LEVELS)[number];

interface Annotation {
  level: AnnotationLevel;
  /** Formatted platform; empty: every platform. */
  platform: string;
  key: string;
  value: string;
}

const ATTRIBUTE = /^annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_/-]+)\])?\.(\S+)$/;

/** Annotations of an exporter's attributes, e.g. `annotation-manifest[linux/amd64].KEY`. */
export class Annotations {
  readonly #all: Annotation[] = [];

  /**
   * @returns false when the attribute is none of annotations
   * @throws CairnError USAGE for an unknown level or platform
   */
  add(attribute: string, value: string): boolean {
    const match = ATTRIBUTE.exec(attribute);
    if (match === null) return false;
    const [, name = 'manifest', platform, key = ''] = match;
    const level = LEVELS.find((known) => known === name);
    if (level === undefined) {
      throw new CairnError(`unrecognized annotation type ${name}`, {
        code: 'USAGE',
        hint: `types are ${LEVELS.join(', ')}`,
      });
    }
    const id = platform === undefined ? '' : formatPlatformFull(parsePlatform(platform));
    this.#all.push({ level, platform: id, key, value });
    return true;
  }

  /** Annotations of one level; for manifests, those of every platform and then of this one. */
  of(level: AnnotationLevel, platform?: Platform): Record<string, string> {
    const id = platform === undefined ? '' : formatPlatformFull(platform);
    const forAll = level === 'index' || level === 'index-descriptor';
    const chosen = [
      ...this.#all.filter((a) => a.level === level && (forAll || a.platform === '')),
      ...this.#all.filter((a) => a.level === level && !forAll && a.platform !== '' && a.platform === id),
    ];
    return Object.fromEntries(chosen.map((a) => [a.key, a.value]));
  }

  /** Platforms that were named. */
  platforms(): string[] {
    return [...new Set(this.#all.map((a) => a.platform).filter((platform) => platform !== ''))];
  }

  /** True when there is any that only OCI media types can carry. */
  needOci(): boolean {
    return this.#all.some((a) => a.level !== 'manifest');
  }
}
