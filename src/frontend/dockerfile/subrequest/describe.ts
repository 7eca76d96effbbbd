/** The subrequest `frontend.subrequests.describe` (BuildKit v0.32.2, frontend/subrequests, version 1.0.0). */
import { goJson } from '../../../llb/go_json.ts';
import type { SubrequestResult } from '../contract.ts';
import { table } from './table.ts';

interface Named {
  name: string;
  description: string;
}

const VERSION = '1.0.0';

const RESULTS: Named[] = [
  { name: 'result.json', description: '' },
  { name: 'result.txt', description: '' },
];

/** BuildKit's frontend leaves lint out, too. */
const REQUESTS: { name: string; description: string; opts: Named[] | null }[] = [
  {
    name: 'outline',
    description: 'List all parameters current build target supports',
    opts: [{ name: 'target', description: 'Target build stage' }],
  },
  { name: 'targets', description: 'List all targets current build supports', opts: [] },
  { name: 'subrequests.describe', description: 'List available subrequest types', opts: null },
];

/** The subrequests that the frontend lists. Nothing is read. */
export function describe(): SubrequestResult {
  const json = goJson(
    REQUESTS.map(({ name, description, opts }) => ({
      name: `frontend.${name}`,
      version: VERSION,
      type: 'rpc',
      description,
      opts,
      inputs: null,
      metadata: RESULTS,
      refs: null,
    })),
    '  ',
  );
  const rows = REQUESTS.map(({ name, description }) => [name, VERSION, description]);
  return { json, text: table([['NAME', 'VERSION', 'DESCRIPTION'], ...rows], 1) };
}
