/** Image configs through the gateway, each asked for once. */
import { formatPlatformFull } from '../../../llb/platform.ts';
import type { Gateway, ResolveImageConfigOptions } from '../contract.ts';

type Resolved = Awaited<ReturnType<Gateway['resolveImageConfig']>>;

/** Remembers answers and failures for the time of one build. */
export class ImageResolver {
  readonly #gateway: Gateway;
  readonly #answers = new Map<string, Promise<Resolved>>();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  resolve(ref: string, options: ResolveImageConfigOptions): Promise<Resolved> {
    const { platform, resolveMode, logName, ociLayout } = options;
    const key = JSON.stringify([
      ref,
      platform && formatPlatformFull(platform),
      resolveMode,
      logName,
      ociLayout?.storeId,
    ]);
    let answer = this.#answers.get(key);
    if (answer === undefined) {
      answer = this.#gateway.resolveImageConfig(ref, options);
      this.#answers.set(key, answer);
    }
    return answer;
  }
}
