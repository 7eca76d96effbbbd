/** Where the caches lie: a server for each backend, empty at every start. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AZURITE, MOTO, type ObjectStorageService } from '../../test/cache/object_storage.ts';
import { startGithubCache } from '../../test/servers/github_cache.ts';
import type { Link } from './link.ts';

export interface Place {
  /** Of a server of its own; undefined: the cache is in the registry, or needs none. */
  host: string | undefined;
  /** @param host of the server, or of a link to it */
  entries(host: string): { to: string; from: string };
  stop(): Promise<void>;
}

export interface Backend {
  name: string;
  /** Why it is left out. */
  skip?: string | false;
  /** The cache is part of the image: a cold build exports both, in one command. */
  inline?: true;
  /**
   * @param registry the link to the registry
   * @param image what is pushed along with an inline cache
   */
  open(registry: Link, image: string): Promise<Place>;
}

const nothing = async (): Promise<void> => undefined;

function objectStorage(name: string, { skip, start }: ObjectStorageService): Backend {
  return {
    name,
    skip,
    async open() {
      const storage = await start();
      return {
        host: storage.host,
        entries(host) {
          const attrs = Object.entries({ type: name, ...storage.attrs(host), name: 'bench' });
          const from = attrs.map(([key, value]) => `${key}=${value}`).join(',');
          return { from, to: `${from},mode=max` };
        },
        stop: () => storage.stop(),
      };
    },
  };
}

export const BACKENDS: readonly Backend[] = [
  {
    name: 'registry',
    async open(registry, image) {
      const ref = `${image}-cache`;
      const from = `type=registry,ref=${ref}`;
      return { host: undefined, entries: () => ({ from, to: `${from},mode=max` }), stop: nothing };
    },
  },
  {
    name: 'inline',
    inline: true,
    async open(_, image) {
      const entries = { to: 'type=inline', from: `type=registry,ref=${image}` };
      return { host: undefined, entries: () => entries, stop: nothing };
    },
  },
  {
    name: 'local',
    async open() {
      const path = mkdtempSync(join(tmpdir(), 'cairn-bench-cache-'));
      const entries = { to: `type=local,dest=${path},mode=max`, from: `type=local,src=${path}` };
      return {
        host: undefined,
        entries: () => entries,
        stop: async () => rmSync(path, { recursive: true, force: true }),
      };
    },
  },
  {
    name: 'gha',
    async open() {
      const server = await startGithubCache();
      return {
        host: server.host,
        entries(host) {
          const from = `type=gha,version=2,url_v2=http://${host}/,token=${server.token()},scope=bench`;
          return { from, to: `${from},mode=max` };
        },
        stop: server.stop,
      };
    },
  },
  objectStorage('s3', MOTO),
  objectStorage('azblob', AZURITE),
];
