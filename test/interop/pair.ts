/** A BuildKit and a registry for the tests of one suite, and a context that both programs build. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { EPOCH } from '../cache/build.ts';
import { startBaseImageRegistry } from '../servers/base_images.ts';
import type { BuildKit, BuildKitOptions, Steps } from './buildkit.ts';

export class Pair {
  #host = '';
  #directory = '';
  #daemon: BuildKit | undefined;

  /** Starts both before the tests of the suite that makes it, and stops them after these. */
  constructor(start: (registry: string) => Promise<BuildKit>, files: Record<string, string>) {
    const stops: (() => Promise<void>)[] = [];
    before(async () => {
      const registry = await startBaseImageRegistry();
      stops.push(() => registry.stop());
      this.#host = registry.host;
      this.#directory = mkdtempSync(join(tmpdir(), 'cairn-interop-'));
      mkdirSync(join(this.#directory, 'context'));
      for (const [name, text] of Object.entries(files))
        writeFileSync(join(this.#directory, 'context', name), text);
      const daemon = await start(registry.host);
      stops.push(() => daemon.stop());
      this.#daemon = daemon;
    });
    after(async () => {
      for (const stop of stops.toReversed()) await stop();
      if (this.#directory !== '') rmSync(this.#directory, { recursive: true, force: true });
    });
  }

  /** `host:port` of the registry. */
  get host(): string {
    return this.#host;
  }

  /** A scratch directory. */
  get directory(): string {
    return this.#directory;
  }

  /** Builds the context with BuildKit, which has nothing in its store then. */
  async buildkit(options: BuildKitOptions): Promise<Steps> {
    if (this.#daemon === undefined) throw new Error('the suite has not begun');
    await this.#daemon.prune();
    return this.#daemon.build(join(this.#directory, 'context'), {
      buildArgs: { SOURCE_DATE_EPOCH: EPOCH },
      ...options,
    });
  }
}
