/** A stage while it is converted, and the stages of one Dockerfile by name. */
import type { NamedContext } from '../context/named_context.ts';
import { State } from '../../../llb/builder/state.ts';
import type { Platform } from '../../../llb/gen/ops_pb.js';
import type { SourceRange } from '../../../progress/events.ts';
import type { Arg, Command, Stage } from '../instructions/types.ts';
import { DockerfileError } from '../parser/error.ts';
import { blankImage, cloneImage } from './image_config.ts';
import type { ImageConfig } from './image_config.ts';
import { OutlineCapture } from './outline_capture.ts';

/** A command with the stages that it reads from, one per COPY source or RUN mount. */
export interface StageCommand {
  command: Command;
  sources: readonly StageState[];
  /** From an ONBUILD trigger. */
  isOnBuild: boolean;
}

/** The last CMD, ENTRYPOINT or HEALTHCHECK of a stage; an earlier one has no effect. */
export interface LastUse {
  location: readonly SourceRange[] | undefined;
}

/**
 * A stage, or an image that some command reads from, which has no commands. What it starts with is copied from
 * its base by {@link inherit}.
 */
export class StageState {
  readonly stage: Stage;
  /** Another stage that this one is built on. */
  base: StageState | undefined;
  namedContext: NamedContext | undefined;
  state = State.scratch();
  image: ImageConfig = blankImage();
  /** The image that FROM resolved to, never changed. */
  baseImage: ImageConfig | undefined;
  /** Undefined: as its base, or the target platform. */
  platform: Platform | undefined;
  /** The base image was asked for. */
  resolved = false;
  /** Its state is ready to be read from. */
  dispatched = false;
  /** The ONBUILD instructions of its base stage were taken over. */
  onBuildTaken = false;
  /** Stages that must be built first, and the command that says so. */
  readonly deps = new Map<StageState, Command>();
  commands: StageCommand[] = [];
  /** ARGs in effect, those of base stages after its own. */
  buildArgs: Arg[] = [];
  /** Paths of the build context that it reads. */
  readonly contextPaths = new Set<string>();
  /** Its own paths that others read; shared with its base, whose files they are too. */
  paths = new Set<string>();
  ignoreCache = false;
  /** Not in the Dockerfile as a stage: the image of a COPY --from or a mount. */
  readonly unregistered: boolean;
  /** As progress shows it; empty when there is only one stage. */
  shownName: string;
  /** Steps shown so far, and in all. */
  stepIndex = 0;
  stepTotal = 0;
  inOnBuild = false;
  /** A WORKDIR of this Dockerfile took effect. */
  workdirSet = false;
  outline: OutlineCapture;
  readonly lastCmd: LastUse = { location: undefined };
  readonly lastEntrypoint: LastUse = { location: undefined };
  readonly lastHealthcheck: LastUse = { location: undefined };

  constructor(stage: Stage, outline: OutlineCapture, unregistered = false) {
    this.stage = stage;
    this.outline = outline;
    this.unregistered = unregistered;
    this.shownName = stage.name;
  }

  /** An image by reference, as COPY --from and RUN --mount name it. */
  static image(reference: string, location: readonly SourceRange[] | undefined): StageState {
    const stage: Stage = {
      kind: 'stage',
      name: '',
      commands: [],
      keyword: '',
      baseName: reference,
      platform: '',
      docComment: '',
      code: '',
      // Mounts leave it out, and an error then has a location without ranges.
      location: location ?? [],
      comments: [],
    };
    return new StageState(stage, new OutlineCapture(), true);
  }

  /** Takes over what the base stage has so far; called again when the base is finished. */
  inherit(): void {
    const { base } = this;
    if (base === undefined) return;
    this.state = base.state;
    this.platform = base.platform;
    this.image = cloneImage(base.image);
    this.image.config.onBuild = [];
    this.baseImage = base.baseImage;
    this.paths = base.paths;
    this.workdirSet = base.workdirSet;
    this.buildArgs = [...this.buildArgs, ...base.buildArgs];
  }
}

/** The stages in the order of the Dockerfile, then the images that commands name. */
export class Stages {
  readonly all: StageState[] = [];
  readonly #byName = new Map<string, StageState>();

  /** Adds a stage; one whose base name is an earlier stage's name is built on that. Later names win. */
  add(stage: StageState): void {
    this.all.push(stage);
    const base = this.#byName.get(stage.stage.baseName);
    if (base !== undefined) {
      stage.base = base;
      stage.outline = base.outline.clone();
    }
    if (stage.stage.name !== '') this.#byName.set(stage.stage.name.toLowerCase(), stage);
  }

  byName(name: string): StageState | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  /** @throws DockerfileError */
  byIndex(index: number): StageState {
    const stage = this.all[index];
    if (stage === undefined) throw new DockerfileError(`invalid stage index ${index}`);
    return stage;
  }

  last(): StageState | undefined {
    return this.all.at(-1);
  }

  /** Names as progress shows them. */
  names(): string[] {
    return this.all.map((stage) => stage.shownName).filter((name) => name !== '');
  }
}

/** `target` and every stage that it needs. */
export function reachableFrom(target: StageState): Set<StageState> {
  const found = new Set<StageState>();
  const visit = (stage: StageState): void => {
    if (found.has(stage)) return;
    found.add(stage);
    if (stage.base !== undefined) visit(stage.base);
    for (const dep of stage.deps.keys()) visit(dep);
  };
  visit(target);
  return found;
}
