/** The sources over a temporary store, with everything below them real. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContentStore } from '../../src/content/store.ts';
import { workerEntryUrl } from '../../src/engine/worker_entry.ts';
import type { VertexProgress } from '../../src/progress/events.ts';
import { createJobPool } from '../../src/platform/job_pool.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import type { RegistryHostConfig } from '../../src/registry/contract.ts';
import { createSnapshotStore } from '../../src/snapshots/store.ts';
import type { Snapshot, SnapshotStore } from '../../src/snapshots/contract.ts';
import { snapshotTables } from '../../src/snapshots/tables.ts';
import type { SourceContext } from '../../src/sources/contract.ts';
import { createSourceResolver, type BuildSources } from '../../src/sources/resolver.ts';
import type { SourceServices } from '../../src/sources/services.ts';
import { SOURCE_TABLES } from '../../src/sources/tables.ts';
import { openStore } from '../../src/store/open.ts';

export interface Parts {
  services: SourceServices;
  snapshots: SnapshotStore;
  /** The sources of a new build over the same store. */
  build(): BuildSources;
  context: SourceContext;
  /** What git and others wrote, as text. */
  log(): string;
  /** A directory with the files of a snapshot that is one layer. */
  files(snapshot: unknown): Promise<string>;
  close(): Promise<void>;
}

export interface PartsOptions {
  /** `127.0.0.1:port` of a registry that stands in for every host of the base images. */
  mirror?: string;
  directories?: Record<string, string>;
  layouts?: Record<string, string>;
  secrets?: Record<string, string>;
}

const MIRRORED = ['docker.io', 'gcr.example.com', 'mcr.example.com'];

export function openParts(options: PartsOptions = {}): Parts {
  const root = mkdtempSync(join(tmpdir(), 'cairn-sources-'));
  const store = openStore(join(root, 'store'), [snapshotTables, SOURCE_TABLES]);
  const content = createContentStore(store);
  const jobs = createJobPool(workerEntryUrl);
  const snapshots = createSnapshotStore({ store, content, jobs });
  const hosts = new Map<string, RegistryHostConfig>();
  if (options.mirror !== undefined) {
    for (const host of MIRRORED) hosts.set(host, { mirrors: [options.mirror], ca: [], keyPairs: [] });
  }
  const registry = createRegistryClient({ credentials: { credentials: async () => undefined }, hosts });
  const services: SourceServices = {
    store,
    content,
    snapshots,
    registry,
    client: {
      localDirectory: (name) => options.directories?.[name],
      ociLayout: (id) => options.layouts?.[id],
      upload: () => undefined,
      secret: async (id) => {
        const value = options.secrets?.[id];
        return value === undefined ? undefined : Buffer.from(value);
      },
      sshSocket: async () => undefined,
    },
  };
  let text = '';
  const progress: VertexProgress = {
    log: (_stream, data) => (text += Buffer.from(data).toString()),
    status: () => undefined,
    warning: () => undefined,
  };
  const builds: BuildSources[] = [];
  return {
    services,
    snapshots,
    build() {
      const build = createSourceResolver(services);
      builds.push(build);
      return build;
    },
    context: { signal: new AbortController().signal, progress },
    log: () => text,
    async files(snapshot) {
      const mount = await snapshots.view(snapshot as Snapshot);
      if (mount.kind !== 'dir') throw new Error('not a directory');
      return mount.path;
    },
    async close() {
      for (const build of builds) build.close();
      registry.close();
      await jobs.close();
      store.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
