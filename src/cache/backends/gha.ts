/** `type=gha`: GitHub's cache of a repository's actions (BuildKit cache/remotecache/gha, v0.32.2). */
import { CairnError } from '../../errors/error.ts';
import { createTransport } from '../../registry/transport.ts';
import { defineBackend } from './contract.ts';
import { GhaBackend } from './gha/backend.ts';
import { Caller } from './gha/calls.ts';
import { fromEnvironment, refusal } from './gha/environment.ts';
import { BLOB_PREFIX, indexKey } from './gha/keys.ts';
import {
  DEFAULT_TIMEOUT_MS,
  DEFAULT_WAITS,
  MAX_KEY_LENGTH,
  UPLOAD_WINDOW_MS,
  UPLOADS_PER_WINDOW,
} from './gha/limits.ts';
import { listKeys } from './gha/listing.ts';
import { ServiceV1 } from './gha/service_v1.ts';
import { ServiceV2 } from './gha/service_v2.ts';
import { Throttle } from './gha/throttle.ts';
import { checkExpiry, parseToken, writableScope } from './gha/token.ts';

/** Where version 2 lives on github.com. */
const RESULTS_HOST = 'results-receiver.actions.githubusercontent.com';
/** What {@link indexKey} and the number add to a scope. */
const KEY_ROOM = 64;

export const backend = defineBackend({
  type: 'gha',
  exportName: 'exporting to GitHub Actions Cache',
  // An export with large layers may take longer than that: only its pauses are limited by default.
  defaultTimeout: { from: DEFAULT_TIMEOUT_MS },
  parameters: {
    scope: {
      kind: 'text',
      side: 'both',
      default: 'buildkit',
      empty: false,
      doc: 'Name of the cache. Images of one repository need different ones.',
    },
    url: {
      kind: 'url',
      side: 'both',
      doc: 'Version 1 of the service; default: $ACTIONS_CACHE_URL, else $ACTIONS_RESULTS_URL.',
    },
    url_v2: {
      kind: 'url',
      side: 'both',
      doc: 'Version 2 of the service; default: $ACTIONS_RESULTS_URL where $ACTIONS_CACHE_SERVICE_V2 is set.',
    },
    token: {
      kind: 'text',
      side: 'both',
      secret: true,
      doc: 'The job’s token; default: $ACTIONS_RUNTIME_TOKEN.',
    },
    version: {
      kind: 'enum',
      values: ['1', '2'],
      side: 'both',
      doc: 'Of the service; default: 2 with url_v2, else what the URL says.',
    },
    timeout: {
      kind: 'duration',
      side: 'both',
      doc: 'Limit for all pauses that GitHub asks for, and for the whole export, or for the import of the indexes.',
    },
    repository: {
      kind: 'text',
      side: 'to',
      doc: 'owner/name: entries that are there are listed over the REST API; with ghtoken.',
    },
    ghtoken: {
      kind: 'text',
      side: 'to',
      secret: true,
      doc: 'A token for the REST API, with actions: read.',
    },
  },
  target: ({ scope }) => scope,
  check({ scope, repository = '', ghtoken = '' }) {
    if (scope.includes(',') || scope.length > MAX_KEY_LENGTH - KEY_ROOM) {
      throw new CairnError(`scope ${JSON.stringify(scope.slice(0, 100))} cannot be part of a key`, {
        code: 'USAGE',
        hint: `a scope has at most ${MAX_KEY_LENGTH - KEY_ROOM} characters and no comma`,
      });
    }
    if ((repository === '') !== (ghtoken === ''))
      throw new CairnError('repository and ghtoken are only of use together', { code: 'USAGE' });
  },
  fromEnvironment,
  // What buildctl says is kept, as scripts look for it.
  open(values, context, side) {
    const {
      scope,
      token = '',
      url = '',
      url_v2: urlV2 = '',
      version,
      repository = '',
      ghtoken = '',
    } = values;
    if (token === '') {
      throw new CairnError('token not set for github actions cache', {
        code: 'USAGE',
        hint: 'give token=, or run where $ACTIONS_RUNTIME_TOKEN is set',
      });
    }
    const address = version !== '1' && urlV2 !== '' ? urlV2 : url;
    if (address === '') {
      throw new CairnError('url not set for github actions cache', {
        code: 'USAGE',
        hint: 'give url_v2=, or run where $ACTIONS_RESULTS_URL is set',
      });
    }
    const claims = parseToken(token);
    checkExpiry(claims);
    const refused = refusal({ token }, context.env, side);
    if (refused !== undefined) throw new CairnError(refused, { code: 'DENIED' });

    const throttle = new Throttle({
      budget: values.timeout ?? DEFAULT_TIMEOUT_MS,
      uploads: UPLOADS_PER_WINDOW,
      window: UPLOAD_WINDOW_MS,
    });
    const caller = new Caller(createTransport(), throttle);
    const two = version === '2' || (version === undefined && (urlV2 !== '' || url.includes(RESULTS_HOST)));
    const service = two ? new ServiceV2(address, token, caller) : new ServiceV1(address, token, caller);
    const scopes = claims.scopes.map((each) => each.scope);
    const related = scopes.map((each) => indexKey(scope, each));
    const own = writableScope(claims) ?? '';
    const api = context.env['GITHUB_API_URL'] ?? 'https://api.github.com';
    return Promise.resolve(
      new GhaBackend({
        caller,
        service,
        related,
        names: side === 'to' ? [indexKey(scope, own)] : related,
        ...(repository === '' ? {} : { list: listed }),
        waits: DEFAULT_WAITS,
        warn: context.warn,
      }),
    );

    function listed(signal: AbortSignal): Promise<ReadonlySet<string>> {
      return listKeys(caller, { api, repository, token: ghtoken }, BLOB_PREFIX, scopes, signal);
    }
  },
});
