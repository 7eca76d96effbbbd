/** What ends an exchange from our side: time limits and the caller's signal. */
import type { ClientRequest } from 'node:http';
import { CairnError, redact } from '../errors/error.ts';
import { canceled } from './cancel.ts';

/** Times in milliseconds. */
export interface ExchangeLimits {
  method: string;
  url: URL;
  signal?: AbortSignal | undefined;
  timeouts: { connect: number; idle: number; overall: number };
}

/** A timer that is armed only while the other side is the one to move. */
class IdleTimer {
  #timer: NodeJS.Timeout | undefined;
  readonly #ms: number;
  readonly #fire: () => void;

  constructor(ms: number, fire: () => void) {
    this.#ms = ms;
    this.#fire = fire;
  }

  arm(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#fire, this.#ms);
  }

  disarm(): void {
    clearTimeout(this.#timer);
  }
}

/** The guards of one exchange: timers and the caller's signal; each destroys the request with its own error. */
export class Guards {
  readonly idle: IdleTimer;
  readonly #request: ClientRequest;
  readonly #signal: AbortSignal | undefined;
  readonly #overall: NodeJS.Timeout;
  readonly #connect: NodeJS.Timeout;
  readonly #onAbort: () => void;
  /** The first reason for which we gave up ourselves. */
  reason: CairnError | undefined;

  constructor(request: ClientRequest, options: ExchangeLimits) {
    this.#request = request;
    this.#signal = options.signal;
    const what = `${options.method} "${redact(options.url.href)}"`;
    const late = (text: string): void => this.fail(new CairnError(`${what}: ${text}`, { code: 'TIMEOUT' }));
    const { connect, idle, overall } = options.timeouts;
    this.idle = new IdleTimer(idle, () => late(`no progress for ${idle / 1000} s`));
    this.#overall = setTimeout(() => late(`not finished after ${overall / 1000} s`), overall);
    this.#connect = setTimeout(() => late(`no connection after ${connect / 1000} s`), connect);
    this.#onAbort = () => this.fail(canceled(options.signal));
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    request.once('socket', (socket) => {
      const connected = (): void => clearTimeout(this.#connect);
      if (socket.connecting) {
        socket.once(options.url.protocol === 'https:' ? 'secureConnect' : 'connect', connected);
      } else {
        connected();
      }
    });
  }

  fail(error: CairnError): void {
    this.reason ??= error;
    this.#request.destroy(this.reason);
  }

  end(): void {
    this.idle.disarm();
    clearTimeout(this.#overall);
    clearTimeout(this.#connect);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}
