/** What happens when nobody reads our output any more, or it cannot be written. */
import { CairnError, messageOf } from '../errors/error.ts';
import { reportError } from './errors.ts';

/** As shells say that SIGPIPE, 13, ended a program. */
const SIGPIPE_CODE = 128 + 13;

/** Output may be all that was asked for: without stdout there is nothing to go on for, as for other programs. */
export function watchStandardStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') {
      const why = new CairnError(`stdout cannot be written: ${messageOf(error)}`, {
        code: 'UNAVAILABLE',
        cause: error,
      });
      reportError(why, { debug: false });
      process.exit(1);
    }
    process.exit(SIGPIPE_CODE);
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(SIGPIPE_CODE);
    // E.g. a log on a full disk: the build is not about its progress.
  });
}
