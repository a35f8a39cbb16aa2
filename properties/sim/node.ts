// A broker's node: one life after another on the same disk.
//
// Owns: which life lives, starting, stopping, killing, losing power and being held up; that a dead
//   life's timers never fire and its answers reach nobody.
// Never: decides when any of it happens (faults.ts), or judges.

import { Stream } from "../random.ts";
import { smallMaps } from "../small-maps.ts";
import {
  type Broker,
  type BrokerOptions,
  type Clock,
  kernelOfALife,
  type Logger,
  limits,
  openBroker,
} from "../subject.ts";
import { Disk, type DiskHost, type DiskMix } from "./disk.ts";
import type { Scheduler } from "./scheduler.ts";

const epochMs = 1_767_225_600_000; // 2026-01-01

export interface NodeOptions extends Pick<BrokerOptions, "kernel" | "groups" | "durability"> {
  readonly disk: DiskMix;
  /** Keys that a pass of compaction has room for; as many as the kernel's map holds when nothing is said. */
  readonly mapKeys?: number;
}

export type NodeState = "down" | "starting" | "up" | "stopping";

/** What a node tells of its lives. */
export interface NodeWatcher {
  opened(broker: Broker): void;
  ended(how: "power" | "kill" | "close", detail: string, clean: boolean): void;
  /** The broker did not open, or threw something that is no answer. */
  failed(what: string, error: unknown): void;
}

export class Node implements DiskHost {
  readonly name: string;
  readonly disk: Disk;
  readonly messages: string[] = [];
  life = 0;
  state: NodeState = "down";
  broker: Broker | null = null;
  /** A fault of the disk hit this life: partitions may be fenced, and an opening may fail. */
  isFaulty = false;
  /** Requests that this life has not answered yet; nobody may wait for them any more. */
  unanswered = 0;
  /** What the wall clock shows beyond virtual time. */
  wallOffsetMs: number = epochMs;
  readonly #scheduler: Scheduler;
  readonly #options: NodeOptions;
  readonly #watcher: NodeWatcher;
  readonly #stream: Stream;
  readonly #waiting: (() => void)[] = [];
  #pausedUntilMs = 0;

  constructor(scheduler: Scheduler, name: string, options: NodeOptions, watcher: NodeWatcher) {
    this.name = name;
    this.#scheduler = scheduler;
    this.#options = options;
    this.#watcher = watcher;
    this.#stream = new Stream(scheduler.seed, "node", name);
    this.disk = new Disk(scheduler, name, options.disk, this);
  }

  wallMs(): number {
    return Math.round(this.#scheduler.nowMs) + this.wallOffsetMs;
  }

  // ---- lives -------------------------------------------------------------------------------

  start(): void {
    this.life += 1;
    this.state = "starting";
    this.isFaulty = false;
    this.unanswered = 0;
    const { life } = this;
    const chance = new Stream(this.#scheduler.seed, this.name, "entropy", life).next();
    const { disk: _, kernel, mapKeys, ...options } = this.#options;
    const own = kernelOfALife(kernel);
    openBroker({
      ...options,
      kernel: mapKeys === undefined ? own : { ...own, openOffsetMap: smallMaps(mapKeys) },
      storage: this.disk.begin(life),
      clock: this.#clock(life),
      entropy: { fill: (bytes) => chance.fill(bytes) },
      logger: this.#logger(),
      retentionCheckIntervalMs: 1e12,
      fetchPoolBytes: limits.maxRunBytes,
    }).then(
      (broker) => {
        if (!this.lives(life)) return;
        this.broker = broker;
        this.state = "up";
        this.#watcher.opened(broker);
      },
      (error: unknown) => {
        if (!this.lives(life)) return;
        const wasFaulty = this.isFaulty;
        this.#end("kill", "it did not open", false);
        if (!wasFaulty) this.#watcher.failed("the broker does not open", error);
      },
    );
  }

  /** An orderly end. */
  stop(): void {
    const { broker, life } = this;
    if (broker === null || this.state !== "up") return;
    this.state = "stopping";
    const ended = (clean: boolean): void => {
      if (this.lives(life)) this.#end("close", "", clean);
    };
    broker.close().then(
      () => ended(true),
      () => ended(false),
    );
  }

  /** The process is gone, the machine not: all that was handed to the disk is there. */
  kill(): void {
    this.end("kill", "nothing in particular");
  }

  losePower(what: string): void {
    this.end("power", what);
  }

  end(how: "power" | "kill", what: string): void {
    if (this.state === "down") return;
    this.#end(how, `${how === "power" ? "power went" : "the process ended"} before ${what}`, false);
  }

  #end(how: "power" | "kill" | "close", detail: string, clean: boolean): void {
    this.state = "down";
    this.broker = null;
    this.#pausedUntilMs = 0;
    this.#waiting.length = 0;
    if (how === "power") this.disk.losePower();
    else this.disk.endProcess();
    this.#watcher.ended(how, detail, clean);
  }

  lives(life: number): boolean {
    return this.state !== "down" && this.life === life;
  }

  // ---- held up -----------------------------------------------------------------------------

  get isPaused(): boolean {
    return this.#scheduler.nowMs < this.#pausedUntilMs;
  }

  /** Nothing of this node runs for a while: a long collection of garbage, a machine that sleeps. */
  pause(durationMs: number): void {
    if (this.state === "down" || this.isPaused) return;
    this.#pausedUntilMs = this.#scheduler.nowMs + durationMs;
    const { life } = this;
    this.#scheduler.after("fault", durationMs, this.#stream.id(), () => {
      if (!this.lives(life)) return;
      this.#scheduler.inOrder("timer", 0, this.#stream.id(), this.#waiting.splice(0));
    });
  }

  whenAwake(run: () => void): void {
    if (this.isPaused) this.#waiting.push(run);
    else run();
  }

  // ---- its world ---------------------------------------------------------------------------

  /** The clock of a life; its timers die with it. */
  #clock(life: number): Clock {
    const scheduler = this.#scheduler;
    return {
      now: () => this.wallMs(),
      monotonic: () => scheduler.nowMs,
      schedule: (delayMs, run) => {
        let isOver = false;
        const fire = (): void => {
          if (!isOver && this.lives(life)) run();
        };
        const cancel = scheduler.after("timer", delayMs, this.#stream.id(), () => this.whenAwake(fire));
        return () => {
          isOver = true;
          cancel();
        };
      },
    };
  }

  #logger(): Logger {
    return {
      log: (level, message, fields) => {
        // The last few are enough to understand a failure by.
        if (this.messages.length >= 200) this.messages.splice(0, 100);
        this.messages.push(`${level}: ${message}${fields === undefined ? "" : ` ${JSON.stringify(fields)}`}`);
      },
    };
  }
}
