/** What a stage can be given from outside, gathered while it is converted: ARGs, secrets and ssh sockets. */
import type { SourceRange } from '../../../progress/events.ts';

export interface ArgInfo {
  key: string;
  value: string;
  description: string;
  location: readonly SourceRange[];
  /** ARGs that its default mentions. */
  deps: ReadonlySet<string>;
}

export interface RequiredInfo {
  required: boolean;
  location: readonly SourceRange[];
}

export class OutlineCapture {
  readonly args: Map<string, ArgInfo>;
  readonly usedArgs: Set<string>;
  readonly secrets: Map<string, RequiredInfo>;
  readonly ssh: Map<string, RequiredInfo>;

  constructor(from?: OutlineCapture) {
    this.args = new Map(from?.args);
    this.usedArgs = new Set(from?.usedArgs);
    this.secrets = new Map(from?.secrets);
    this.ssh = new Map(from?.ssh);
  }

  clone(): OutlineCapture {
    return new OutlineCapture(this);
  }

  /** Counts the ARGs that used ones mention as used too. */
  markDeps(): void {
    const visited = new Set<string>();
    const visit = (keys: Iterable<string>): void => {
      for (const key of keys) {
        if (visited.has(key)) continue;
        visited.add(key);
        visit(this.args.get(key)?.deps ?? []);
        this.usedArgs.add(key);
      }
    };
    visit([...this.usedArgs]);
  }
}
