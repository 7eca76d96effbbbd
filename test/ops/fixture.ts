/** A store in a scratch directory, file ops on it, and ways to make trees and look at them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { CompressionConfig } from '../../src/content/contract.ts';
import { createContentStore } from '../../src/content/store.ts';
import type { Vertex } from '../../src/llb/graph.ts';
import {
  FileActionCopySchema,
  FileActionMkDirSchema,
  FileActionMkFileSchema,
  FileActionRmSchema,
  FileActionSymlinkSchema,
  FileOpSchema,
  OpMetadataSchema,
  OpSchema,
  type FileAction,
  type FileOp,
} from '../../src/llb/gen/ops_pb.js';
import type { OpContext } from '../../src/ops/contract.ts';
import { runFile } from '../../src/ops/file/run.ts';
import type { OpServices } from '../../src/ops/services.ts';
import { createJobPool } from '../../src/platform/job_pool.ts';
import { createContentHasher } from '../../src/snapshots/contenthash/store_hasher.ts';
import { CONTENT_HASH_TABLES } from '../../src/snapshots/contenthash/tables.ts';
import type { ContentHasher } from '../../src/snapshots/contenthash/hasher.ts';
import type { HostTree, Snapshot, SnapshotStore, Tree } from '../../src/snapshots/contract.ts';
import { createSnapshotStore } from '../../src/snapshots/store.ts';
import { snapshotTables } from '../../src/snapshots/tables.ts';
import { openStore } from '../../src/store/open.ts';

type Init<Schema extends Parameters<typeof create>[0]> = MessageInitShape<Schema>;
export type Action = FileAction['action'];

/** A COPY as the Dockerfile frontend makes it. */
export function copy(src: string, dest: string, more: Init<typeof FileActionCopySchema> = {}): Action {
  const value = create(FileActionCopySchema, {
    src,
    dest,
    mode: -1,
    timestamp: -1n,
    followSymlink: true,
    dirCopyContents: true,
    createDestPath: true,
    allowWildcard: true,
    allowEmptyWildcard: true,
    ...more,
  });
  return { case: 'copy', value };
}

export function mkdir(path: string, more: Init<typeof FileActionMkDirSchema> = {}): Action {
  return {
    case: 'mkdir',
    value: create(FileActionMkDirSchema, { path, mode: 0o755, timestamp: -1n, ...more }),
  };
}

export function mkfile(path: string, text: string, more: Init<typeof FileActionMkFileSchema> = {}): Action {
  const value = create(FileActionMkFileSchema, {
    path,
    mode: 0o644,
    data: Buffer.from(text),
    timestamp: -1n,
    ...more,
  });
  return { case: 'mkfile', value };
}

export function rm(path: string, more: Init<typeof FileActionRmSchema> = {}): Action {
  return { case: 'rm', value: create(FileActionRmSchema, { path, ...more }) };
}

export function symlink(oldpath: string, newpath: string): Action {
  return { case: 'symlink', value: create(FileActionSymlinkSchema, { oldpath, newpath, timestamp: -1n }) };
}

export interface Fixture {
  hasher: ContentHasher;
  snapshots: SnapshotStore;
  /** The compression of layers whose files nobody needs; undefined: all are needed. */
  direct: CompressionConfig | undefined;
  /** Runs actions one after the other on input 0; copies read input 1. */
  run(actions: Action[], target?: Tree, source?: Tree): Promise<Snapshot>;
  runOp(op: FileOp, inputs: (Tree | undefined)[]): Promise<(Tree | undefined)[]>;
  /** A directory of the client's, made by a shell script. */
  host(script: string, options?: Partial<HostTree>): HostTree;
  /** A snapshot made by a shell script. */
  layer(parent: Snapshot | undefined, script: string): Promise<Snapshot>;
  /** What a script prints in a snapshot's files. */
  shell(snapshot: Snapshot, script: string): Promise<string>;
  signal: AbortSignal;
  close(): Promise<void>;
}

export function openFixture(): Fixture {
  const root = mkdtempSync(join(tmpdir(), 'cairn-file-op-'));
  const store = openStore(join(root, 'store'), [snapshotTables, CONTENT_HASH_TABLES]);
  const content = createContentStore(store);
  const pool = createJobPool(new URL('./worker.ts', import.meta.url), { cpuThreads: 2 });
  const snapshots = createSnapshotStore({ store, content, jobs: pool });
  const { signal } = new AbortController();
  const contentHasher = createContentHasher({ store, snapshots, pool });
  const services: OpServices = {
    store,
    snapshots,
    pool,
    contentHasher,
    sources: () => {
      throw new Error('no source was expected');
    },
    secrets: { secret: async () => undefined, sshSocket: async () => undefined },
    executor: () => Promise.reject(new Error('no step was expected')),
    directLayer: () => fixture.direct,
  };
  let made = 0;
  const runOp: Fixture['runOp'] = (op, inputs) => {
    const vertex: Vertex = {
      digest: 'sha256:0',
      op: create(OpSchema, { op: { case: 'file', value: op } }),
      metadata: create(OpMetadataSchema),
      inputs: [],
      name: 'file op under test',
    };
    return runFile(vertex, op, inputs, services, { signal } as OpContext);
  };
  const fixture: Fixture = {
    hasher: contentHasher,
    snapshots,
    direct: undefined,
    signal,
    runOp,
    async run(actions, target, source) {
      const op = create(FileOpSchema, {
        actions: actions.map((action, i) => ({
          input: i === 0 ? 0n : BigInt(1 + i),
          secondaryInput: action.case === 'copy' ? 1n : -1n,
          output: i === actions.length - 1 ? 0n : -1n,
          action,
        })),
      });
      const [tree] = await runOp(op, [target, source]);
      if (tree?.kind !== 'snapshot') throw new Error('no snapshot came out');
      return tree;
    },
    host(script, options = {}) {
      const path = join(root, `host-${made++}`);
      mkdirSync(path);
      execFileSync('sh', ['-euc', script], { cwd: path });
      const patterns = { includePatterns: [], excludePatterns: [], followPaths: [] };
      return { kind: 'host', id: path, name: 'context', root: path, ...patterns, ...options };
    },
    async layer(parent, script) {
      const active = await snapshots.prepare(parent, { description: script });
      await pool.run('test.shell', { mount: active.mount, script });
      return active.commit();
    },
    async shell(snapshot, script) {
      return pool.run('test.shell', { mount: await snapshots.view(snapshot), script });
    },
    async close() {
      await pool.close();
      store.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
  return fixture;
}
