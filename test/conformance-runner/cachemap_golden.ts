/** The shape of cachemaps/<name>.json, as far as it is compared. */
import type { Digest } from '../../src/content/contract.ts';

export interface Preimage {
  type: string;
  text?: string;
  base64?: string;
}

export interface Selector {
  Path?: string;
  Wildcard?: boolean;
  FollowLinks?: boolean;
  IncludePatterns?: string[];
  ExcludePatterns?: string[];
  RequiredPaths?: string[];
}

export interface GoldenDep {
  input: string;
  outputIndex: number;
  selector: string;
  contentHash: boolean;
  selectorPreimage?: Preimage;
  contentDigest?: Digest;
  contentSelectors?: Selector[];
  contentSelectorDigests?: string[];
}

export interface GoldenCacheMap {
  index: number;
  digest: string;
  done: boolean;
  volatile?: boolean;
  preimage?: Preimage;
  deps: GoldenDep[];
}

export interface GoldenVertex {
  digest: string;
  name: string;
  executed: boolean;
  cacheMaps: GoldenCacheMap[];
}

export interface GoldenConfig {
  layers?: unknown[];
  records?: { digest: string; inputs?: { selector?: string; link: number }[][]; layers?: unknown[] }[];
}

export interface GoldenRef {
  error?: string;
  vertices: GoldenVertex[];
  exportedCacheConfig?: GoldenConfig;
}

export interface GoldenCase {
  /** `llb/cases/<name>` */
  case: string;
  refs: GoldenRef[];
}

/** The text of a preimage. */
export function preimageText(preimage: Preimage | undefined): string | undefined {
  if (preimage === undefined) return undefined;
  return preimage.text ?? Buffer.from(preimage.base64 ?? '', 'base64').toString();
}
