import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { CairnError, registerSecret } from '../errors/error.ts';
import { reportError } from './errors.ts';

test('no secret is in a report, not in the stack of a cause either', () => {
  registerSecret('hunter2-of-errors');
  const cause = new Error('refused: https://host/?sig=signature&key=hunter2-of-errors');
  const error = new CairnError('it failed', { code: 'DENIED', hint: 'try again', cause });
  const write = mock.method(process.stderr, 'write', () => true);
  reportError(error, { debug: true });
  const text = write.mock.calls.map(({ arguments: [chunk] }) => String(chunk)).join('');
  write.mock.restore();
  assert.match(text, /^ERROR: it failed\ntry again\n/);
  assert.match(text, /refused: https:\/\/host\/\?sig=xxxxx&key=xxxxx\n +at /);
});
