/** What the sources need from the rooms below and from the client; the engine makes one of these per build. */
import type { ContentStore } from '../content/contract.ts';
import type { RegistryClient } from '../registry/contract.ts';
import type { SnapshotStore } from '../snapshots/contract.ts';
import type { Store } from '../store/contract.ts';
import type { ContextSource } from './contract.ts';

/** The client's secrets and agents, for git and http sources; BuildClient has them. */
export interface SourceSecrets {
  /** Undefined: no such secret. */
  secret(id: string): Promise<Uint8Array | undefined>;
  /**
   * Path of a unix socket to the agent offered under this id; undefined: this client forwards none under any id.
   * @throws CairnError NOT_FOUND when it forwards agents, but none under this id
   */
  sshSocket(id: string): Promise<string | undefined>;
}

export interface SourceServices {
  store: Store;
  content: ContentStore;
  snapshots: SnapshotStore;
  registry: RegistryClient;
  client: ContextSource & SourceSecrets;
}
