// Where consumers of a group live: a broker with its lives and deaths, and calls that it may never answer.
//
// Owns: the broker's lives; that a call which was under way when one ended is lost; sleep.
// Never: judges (ledger.ts), or acts for a consumer.

import { draw, type Random } from "../random.ts";
import {
  type Broker,
  type GroupCoordinator,
  type GroupOptions,
  kernel,
  kernelOfALife,
  limits,
  MoldauError,
  openBroker,
} from "../subject.ts";
import { World } from "../world.ts";

/** `lost`: nobody knows what became of it. */
export type Outcome<Value> =
  | { readonly kind: "ok"; readonly value: Value }
  | { readonly kind: "refused"; readonly error: MoldauError }
  | { readonly kind: "lost" };

export type End = "close" | "kill" | "power";
export type Moment = { readonly at: "now" } | { readonly at: "write" | "answer"; readonly count: number };

const answerLimitMs = 120_000;

export class Stage {
  readonly seed: number;
  readonly world: World;
  readonly #options: Partial<GroupOptions>;
  #broker: Broker | null = null;
  readonly #calls: Set<() => void> = new Set();
  #number = 0;
  #answersLeft: number = Number.POSITIVE_INFINITY;
  /** Lives of the broker so far. */
  lives = 0;

  constructor(seed: number, options: Partial<GroupOptions>) {
    this.seed = seed;
    this.world = new World({ seed, syncMs: 4 });
    this.#options = options;
  }

  get broker(): Broker {
    if (this.#broker === null) throw new Error("there is no broker");
    return this.#broker;
  }

  get nowMs(): number {
    return this.world.time.nowMs;
  }

  /** A number that was not there before, rising. */
  number(): number {
    this.#number += 1;
    return this.#number;
  }

  chance(...names: readonly (string | number)[]): Random {
    return draw(this.seed, ...names);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.world.time.schedule(ms, resolve));
  }

  async open(): Promise<void> {
    let opened: Broker | null = null;
    let failed: unknown = null;
    const { world } = this;
    openBroker({
      ...{
        storage: world.begin(),
        kernel: kernelOfALife(kernel),
        clock: world.clock(),
        entropy: world.entropy,
        logger: world.logger,
      },
      ...{ retentionCheckIntervalMs: 1e12, fetchPoolBytes: limits.maxRunBytes, groups: this.#options },
    }).then(
      (broker) => void (opened = broker),
      (error: unknown) => void (failed = error),
    );
    await world.time.until(() => opened !== null || failed !== null, answerLimitMs);
    if (opened === null) throw new Error(`the broker does not open: ${String(failed)}`);
    this.#broker = opened;
    this.lives += 1;
  }

  /** Sees it through, or throws; for what a test needs before it begins. */
  async settle<Value>(work: Promise<Value>): Promise<Value> {
    let ended: { readonly value: Value } | null = null;
    let failed: unknown = null;
    work.then(
      (value) => void (ended = { value }),
      (error: unknown) => void (failed = error ?? new Error("rejected with nothing")),
    );
    await this.world.time.until(() => ended !== null || failed !== null, answerLimitMs);
    if (failed !== null) throw failed;
    if (ended === null) throw new Error("there was no answer");
    return (ended as { readonly value: Value }).value;
  }

  /**
   * Ends this life and begins another. A sudden end may wait for a moment of its own, where there is one: the disk's
   * write of a number from now, or the answer of a number, which a client has just taken for true.
   */
  async restart(end: End, moment: Moment = { at: "now" }): Promise<void> {
    const { world } = this;
    if (end !== "close" && moment.at !== "now") {
      if (moment.at === "write") world.crashAfter(moment.count);
      else this.#answersLeft = moment.count;
      await world.time.until(() => world.crashed !== null, 3000);
      this.#answersLeft = Number.POSITIVE_INFINITY;
    }
    const { broker } = this;
    if (end === "close") {
      const closing = broker.close();
      this.#loseCalls();
      await this.settle(closing);
    }
    // Whoever calls from here on is refused a connection.
    this.#broker = null;
    this.#loseCalls();
    if (end === "power") await world.losePower();
    else await world.endProcess();
    await this.open();
  }

  #loseCalls(): void {
    const calls = [...this.#calls];
    this.#calls.clear();
    for (const lose of calls) lose();
  }

  /** Asks the broker as it is now. `changes`: the answer promises something. */
  call<Value>(ask: (groups: GroupCoordinator) => Promise<Value>, changes = false): Promise<Outcome<Value>> {
    const broker = this.#broker;
    // A connection refused takes a moment.
    if (broker === null) return this.sleep(20).then(() => ({ kind: "lost" }));
    return new Promise((resolve) => {
      const lose = (): void => resolve({ kind: "lost" });
      this.#calls.add(lose);
      // Who is dead neither hears nor answers.
      if (this.world.crashed !== null) return;
      const end = (outcome: Outcome<Value>): void => {
        if (this.world.crashed !== null || !this.#calls.delete(lose)) return;
        resolve(outcome);
        if (outcome.kind === "ok" && changes) this.#answersLeft -= 1;
        if (this.#answersLeft <= 0) this.world.crashed = { what: "a client has its answer" };
      };
      ask(broker.groups).then(
        (value) => end({ kind: "ok", value }),
        (error: unknown) => {
          if (!(error instanceof MoldauError)) throw error;
          end({ kind: "refused", error });
        },
      );
    });
  }
}
