/**
 * Runs a file op: its actions form a small graph of their own, whose chains run on one writable layer each
 * (BuildKit v0.32.2, solver/llbsolver/ops/file.go, FileOpSolver).
 */
import { wantsTarSum } from '../../content/compression/layer.ts';
import type { BlobInfo, CompressionConfig } from '../../content/contract.ts';
import { CairnError } from '../../errors/error.ts';
import type { Vertex } from '../../llb/graph.ts';
import type { ChownOpt, FileAction, FileOp, UserOpt } from '../../llb/gen/ops_pb.js';
import { streamJob } from '../../platform/byte_stream.ts';
import type { ActiveSnapshot, Snapshot, SnapshotMeta, Tree } from '../../snapshots/contract.ts';
import { mountParentOf } from '../../snapshots/mount_parent.ts';
import type { OpContext } from '../contract.ts';
import { toSnapshot } from '../merge.ts';
import type { OpServices } from '../services.ts';
import { failBatch, type CopyBatch } from './copy_batch.ts';
import type { FileStepsArgs } from './jobs.ts';
import type { FileLayerArgs } from './layer_job.ts';
import { needsDisk } from './needs_disk.ts';
import type { FileStep, TreeSpec } from './steps.ts';

/** Inputs and outputs of actions that are none. */
const NONE = -1;

/** Actions of one op; the chain of their inputs is followed recursively. */
const MAX_ACTIONS = 5000;

/**
 * @param inputs in the order of the vertex's inputs; undefined: scratch
 * @returns one tree per output, in the order of the outputs' numbers
 * @throws CairnError SOLVE or NOT_FOUND with BuildKit's texts; nothing of the op is kept then
 */
export async function runFile(
  vertex: Vertex,
  op: FileOp,
  inputs: readonly (Tree | undefined)[],
  services: OpServices,
  context: OpContext,
): Promise<(Tree | undefined)[]> {
  return new ActionGraph(vertex, op.actions, inputs, services, context).run();
}

/** What an action works on: a tree as it was, and the actions to be run on it. */
interface Chain {
  base: Tree | undefined;
  steps: FileStep[];
}

class ActionGraph {
  readonly #vertex: Vertex;
  readonly #actions: readonly FileAction[];
  readonly #inputs: readonly (Tree | undefined)[];
  readonly #services: OpServices;
  readonly #context: OpContext;
  /** Results that are needed as trees of their own, by index over inputs and actions. */
  readonly #shared = new Set<number>();
  /** Outputs whose files nobody needs, by index: the compression in which their layer is wanted. */
  readonly #direct = new Map<number, CompressionConfig>();
  readonly #results = new Map<number, Promise<Tree | undefined>>();

  constructor(
    vertex: Vertex,
    actions: readonly FileAction[],
    inputs: readonly (Tree | undefined)[],
    services: OpServices,
    context: OpContext,
  ) {
    this.#vertex = vertex;
    this.#actions = actions;
    this.#inputs = inputs;
    this.#services = services;
    this.#context = context;
  }

  async run(): Promise<(Tree | undefined)[]> {
    const outputs = this.#plan();
    const trees: (Tree | undefined)[] = [];
    for (const index of outputs) trees.push(await this.#result(index));
    return trees;
  }

  /** Checks the graph. @returns the index of each output's action */
  #plan(): number[] {
    const count = this.#inputs.length + this.#actions.length;
    if (this.#actions.length > MAX_ACTIONS) {
      throw this.#invalid(`${this.#actions.length} actions are more than the ${MAX_ACTIONS} allowed`);
    }
    const outputs = new Map<number, number>();
    const used = new Set<number>();
    for (const [i, action] of this.#actions.entries()) {
      const here = this.#inputs.length + i;
      for (const input of [Number(action.input), Number(action.secondaryInput)]) {
        if (input < NONE || input >= count) {
          throw this.#invalid(`invalid input index ${input}, ${count} provided`);
        }
        // An action may only use what comes before it: that rules out loops.
        if (input >= here) throw this.#invalid(`loop from index ${here}`);
        if (used.has(input)) this.#shared.add(input);
        used.add(input);
      }
      for (const named of ownerInputs(action)) used.add(named);
      if (action.secondaryInput !== BigInt(NONE)) this.#shared.add(Number(action.secondaryInput));
      const output = Number(action.output);
      if (output === NONE) continue;
      if (outputs.has(output)) throw this.#invalid(`duplicate output ${output}`);
      outputs.set(output, here);
      this.#shared.add(here);
    }
    if (outputs.size === 0) throw this.#invalid('no outputs specified');
    for (const [output, index] of outputs) {
      const compression = used.has(index) ? undefined : this.#services.directLayer?.(this.#vertex, output);
      if (compression !== undefined) this.#direct.set(index, compression);
    }
    return Array.from({ length: outputs.size }, (_, output) => {
      const index = outputs.get(output);
      if (index === undefined) throw this.#invalid(`missing output index ${output}`);
      return index;
    });
  }

  #invalid(message: string): CairnError {
    return new CairnError(message, { code: 'SOLVE' });
  }

  /** An input, or what an action makes, as a finished tree. */
  #result(index: number): Promise<Tree | undefined> {
    let result = this.#results.get(index);
    if (result === undefined) {
      result =
        index < this.#inputs.length
          ? Promise.resolve(this.#inputs[index])
          : this.#chain(index).then((chain) => this.#execute(chain, this.#direct.get(index)));
      this.#results.set(index, result);
    }
    return result;
  }

  /** Everything up to an action that can run on one layer. */
  async #chain(index: number): Promise<Chain> {
    const action = this.#actions[index - this.#inputs.length];
    if (action === undefined) throw this.#invalid(`invalid input index ${index}`);
    const input = Number(action.input);
    const isLink = input >= this.#inputs.length && !this.#shared.has(input);
    const chain: Chain = isLink
      ? await this.#chain(input)
      : { base: input === NONE ? undefined : await this.#result(input), steps: [] };
    const owner =
      action.action.case === undefined || action.action.case === 'rm' ? undefined : action.action.value.owner;
    chain.steps.push({
      action: action.action,
      source: await this.#tree(Number(action.secondaryInput)),
      ...(await this.#ownerTrees(owner)),
    });
    return chain;
  }

  async #ownerTrees(owner: ChownOpt | undefined): Promise<Pick<FileStep, 'userTree' | 'groupTree'>> {
    return { userTree: await this.#nameTree(owner?.user), groupTree: await this.#nameTree(owner?.group) };
  }

  async #nameTree(opt: UserOpt | undefined): Promise<TreeSpec> {
    if (opt?.user.case !== 'byName') return { kind: 'scratch' };
    const index = Number(opt.user.value.input);
    if (index < 0) throw this.#invalid(`invalid user index: ${index}`);
    return this.#tree(index);
  }

  async #tree(index: number): Promise<TreeSpec> {
    const tree = index === NONE ? undefined : await this.#result(index);
    if (tree === undefined) return { kind: 'scratch' };
    if (tree.kind === 'host') return { kind: 'host', tree };
    return { kind: 'mount', mount: await this.#services.snapshots.view(tree, this.#context.progress) };
  }

  /** @param direct the layer is only wanted as a blob, in this compression */
  async #execute({ base, steps }: Chain, direct: CompressionConfig | undefined): Promise<Snapshot> {
    const parent = await toSnapshot(base, this.#services, this.#context);
    if (direct !== undefined) {
      try {
        return await this.#writeLayer(parent, steps, direct);
      } catch (error) {
        if (!needsDisk(error)) throw error;
      }
    }
    return this.#writeDirectory(parent, steps);
  }

  async #writeLayer(
    parent: Snapshot | undefined,
    steps: FileStep[],
    compression: CompressionConfig,
  ): Promise<Snapshot> {
    const { snapshots, pool, store } = this.#services;
    const { signal, progress } = this.#context;
    const base = parent === undefined ? undefined : await snapshots.view(parent, progress);
    const args = { base, steps, mountParent: mountParentOf(store), hash: wantsTarSum(compression) };
    const { bytes, result } = streamJob<FileLayerArgs, BlobInfo | undefined>(pool, 'ops.fileLayer', args, {
      signal,
    });
    return snapshots.fromTar(parent, bytes, compression, this.#meta(), { signal, tarSum: result });
  }

  async #writeDirectory(parent: Snapshot | undefined, steps: FileStep[]): Promise<Snapshot> {
    const { snapshots, pool, store } = this.#services;
    const { signal, progress } = this.#context;
    const active: ActiveSnapshot = await snapshots.prepare(parent, this.#meta(), progress);
    try {
      const args: FileStepsArgs = { target: active.mount, steps, mountParent: mountParentOf(store) };
      await pool.run<FileStepsArgs, void>('ops.fileSteps', args, {
        signal,
        onMessage: (batch) => this.#shareCopies(batch as CopyBatch),
      });
    } catch (error) {
      await active.discard();
      throw error;
    }
    return active.commit();
  }

  /** Has a thread that is free, or none, copy a number of files for the job that offers them. */
  #shareCopies(batch: CopyBatch): void {
    const { pool } = this.#services;
    const { signal } = this.#context;
    pool.run<CopyBatch, void>('ops.copyBatch', batch, { signal }).catch(() => failBatch(batch));
  }

  #meta(): SnapshotMeta {
    return { description: this.#vertex.name };
  }
}

/** Indexes of the trees in which names of owners are looked up. */
function ownerInputs({ action }: FileAction): number[] {
  if (action.case === undefined || action.case === 'rm') return [];
  const { owner } = action.value;
  return [owner?.user, owner?.group].flatMap((opt) =>
    opt?.user.case === 'byName' ? [Number(opt.user.value.input)] : [],
  );
}
