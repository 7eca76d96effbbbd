/** A store with blobs, jobs and snapshots in a scratch directory, and ways to look into snapshots. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CompressionConfig } from '../../src/content/contract.ts';
import { createContentStore, type LeasingContentStore } from '../../src/content/store.ts';
import { streamJob } from '../../src/platform/byte_stream.ts';
import { createJobPool } from '../../src/platform/job_pool.ts';
import type { JobPool } from '../../src/platform/contract.ts';
import type { LayerEntry, MountSpec, Snapshot } from '../../src/snapshots/contract.ts';
import { createSnapshotStore, type LeasingSnapshotStore } from '../../src/snapshots/store.ts';
import { snapshotTables } from '../../src/snapshots/tables.ts';
import { openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/contract.ts';

export interface Fixture {
  root: string;
  store: Store;
  content: LeasingContentStore;
  jobs: JobPool;
  snapshots: LeasingSnapshotStore;
  /** Runs a shell script in a snapshot's files; returns what it prints. */
  shell(mount: MountSpec, script: string): Promise<string>;
  /** Runs a script in a new layer. */
  layer(parent: Snapshot | undefined, script: string): Promise<Snapshot>;
  /** A layer over scratch that is written as a blob, from entries. */
  blob(entries: LayerEntry[], compression: CompressionConfig): Promise<Snapshot>;
  /** A second process's view of the same store. */
  reopen(): { snapshots: LeasingSnapshotStore; close(): void };
  close(): Promise<void>;
}

const worker = new URL('./worker.ts', import.meta.url);

export function openFixture(root = mkdtempSync(join(tmpdir(), 'cairn-snapshots-'))): Fixture {
  const store = openStore(join(root, 'store'), [snapshotTables]);
  const content = createContentStore(store);
  const jobs = createJobPool(worker, { cpuThreads: 2 });
  const snapshots = createSnapshotStore({ store, content, jobs });
  const fixture: Fixture = {
    root,
    store,
    content,
    jobs,
    snapshots,
    shell: (mount, script) => jobs.run('test.shell', { mount, script }),
    async layer(parent, script) {
      const active = await snapshots.prepare(parent, { description: script });
      await fixture.shell(active.mount, script);
      return active.commit();
    },
    blob(entries, compression) {
      const { bytes } = streamJob(jobs, 'test.entriesTar', { entries });
      return snapshots.fromTar(undefined, bytes, compression, { description: 'planned' });
    },
    reopen() {
      const other = openStore(join(root, 'store'), [snapshotTables]);
      const otherContent = createContentStore(other);
      return {
        snapshots: createSnapshotStore({ store: other, content: otherContent, jobs }),
        close: () => other.close(),
      };
    },
    async close() {
      await jobs.close();
      store.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
  return fixture;
}
