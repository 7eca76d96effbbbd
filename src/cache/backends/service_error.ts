import { CairnError, type ErrorCode } from '../../errors/error.ts';

/** An answer of a storage service that will not change: the word for its error and the status. */
export class ServiceError extends CairnError {
  /** As `NoSuchKey` or `BlobNotFound`; for answers without one what stands for the status. */
  readonly reason: string;
  /** HTTP status; 0: there was no answer. */
  readonly status: number;

  constructor(
    message: string,
    options: { code: ErrorCode; hint?: string | undefined; cause: unknown; reason: string; status: number },
  ) {
    super(message, options);
    this.reason = options.reason;
    this.status = options.status;
  }
}

/** For questions that not everybody may ask: undefined when the service forbids it. */
export async function unlessDenied<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'DENIED' && error.status === 403) return undefined;
    throw error;
  }
}
