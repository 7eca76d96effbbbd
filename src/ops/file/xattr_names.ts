/** Which extended attributes a copy keeps. */
import type { SourceFile } from './target.ts';

export function isCopiedXattr(name: string, { fromClient }: Pick<SourceFile, 'fromClient'>): boolean {
  // Overlayfs's own would change what a layer means.
  if (/^(?:trusted|user)\.overlay\./.test(name)) return false;
  return !(fromClient && name.startsWith('com.apple.'));
}
