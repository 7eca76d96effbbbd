/** Token scopes, `type:name:action,action` (distribution's token scope specification). */

export type Action = 'pull' | 'push' | 'delete' | '*';

/** The scope of a repository. */
export function repositoryScope(repository: string, ...actions: Action[]): string {
  return `repository:${repository}:${actions.join(',')}`;
}

type ScopeMap = Map<string, Set<string>>;

function parse(scopes: Iterable<string>): ScopeMap {
  const map: ScopeMap = new Map();
  for (const scope of [...scopes].flatMap((text) => text.split(' '))) {
    if (scope === '') continue;
    // A repository's name may hold a port, and so a colon.
    const end = scope.lastIndexOf(':');
    const name = end <= scope.indexOf(':') ? scope : scope.slice(0, end);
    const actions = map.get(name) ?? new Set();
    map.set(name, actions);
    for (const action of scope.slice(name.length + 1).split(',')) if (action !== '') actions.add(action);
  }
  return map;
}

/** One entry a resource, sorted, with sorted actions: equal sets give equal lists. */
export function normalizeScopes(scopes: Iterable<string>): string[] {
  return [...parse(scopes)].map(([name, actions]) => `${name}:${[...actions].sort().join(',')}`).sort();
}

/** True when a token for `granted` is good for all of `needed`. */
export function scopesContain(granted: Iterable<string>, needed: Iterable<string>): boolean {
  const have = parse(granted);
  return [...parse(needed)].every(([name, actions]) => {
    const set = have.get(name);
    return set !== undefined && [...actions].every((action) => set.has(action) || set.has('*'));
  });
}
