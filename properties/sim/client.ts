// A client's side of the network: requests that may be lost, doubled, and answered too late.
//
// Owns: what a client knows of a request in the end: `ok`, `fail` (certainly no effect) or `info`.
// Never: sends again by itself; that is for whoever knows whether it is safe (actors/).
//
// A refusal counts as `fail` only when this was the only time that the request was on its way.

import { type Random, Stream } from "../random.ts";
import { type Broker, MoldauError } from "../subject.ts";
import type { Channel, Network } from "./network.ts";
import type { Node } from "./node.ts";
import type { Scheduler } from "./scheduler.ts";

export type Answer<T> =
  /** `isStale`: the life that answered was over when the answer came. */
  | { readonly outcome: "ok"; readonly value: T; readonly isStale: boolean }
  | { readonly outcome: "fail" | "info"; readonly code: string; readonly error?: MoldauError };

export interface AskOptions {
  readonly timeoutMs?: number;
  /** A second time would have a second effect: never doubled. */
  readonly once?: boolean;
  /** On one connection, in order. */
  readonly channel?: Channel;
}

const defaultTimeoutMs = 2000;

export class Client {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly #network: Network;
  readonly #node: Node;
  readonly #stream: Stream;
  readonly #failed: (what: string, error: unknown) => void;

  constructor(
    name: string,
    luck: number,
    world: { scheduler: Scheduler; network: Network; node: Node; failed: (what: string, error: unknown) => void },
  ) {
    this.name = name;
    this.scheduler = world.scheduler;
    this.#network = world.network;
    this.#node = world.node;
    this.#failed = world.failed;
    this.#stream = new Stream(world.scheduler.seed, "client", luck);
  }

  chance(): Random {
    return this.#stream.next();
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.scheduler.after("timer", ms, this.#stream.id(), resolve));
  }

  /** Waits about so long: from half of it to one and a half times. */
  pause(ms: number): Promise<void> {
    return this.sleep(ms * (0.5 + this.chance().next()));
  }

  /** An operation begins: it counts as one of the client's. */
  begins(): void {
    this.scheduler.happened.client += 1;
  }

  /** Resolves when there is an answer, or none after the timeout: never rejects. */
  ask<T>(what: string, request: (broker: Broker) => Promise<T>, options: AskOptions = {}): Promise<Answer<T>> {
    return new Promise((resolve) => {
      let isOver = false;
      let copies = 0;
      const cancel = this.scheduler.after("timer", options.timeoutMs ?? defaultTimeoutMs, this.#stream.id(), () =>
        end({ outcome: "info", code: "no answer" }),
      );
      const end = (answer: Answer<T>): void => {
        if (isOver) return;
        isOver = true;
        cancel();
        resolve(answer);
      };
      const answered = (answer: Answer<T>): void => {
        if (answer.outcome === "fail" && copies > 1) end({ ...answer, outcome: "info" });
        else end(answer);
      };
      const { once, channel } = options;
      copies = this.#network.send(
        this.name,
        this.#node.name,
        () => this.#node.whenAwake(() => this.#arrive(what, request, answered)),
        { ...(once === undefined ? {} : { once }), ...(channel === undefined ? {} : { channel }) },
      );
    });
  }

  #arrive<T>(what: string, request: (broker: Broker) => Promise<T>, answered: (answer: Answer<T>) => void): void {
    const node = this.#node;
    const { life, broker } = node;
    const respond = (answer: Answer<T>): void => {
      if (!node.lives(life)) return;
      node.unanswered -= 1;
      const arrive = (): void =>
        answered(answer.outcome === "ok" && !node.lives(life) ? { ...answer, isStale: true } : answer);
      this.#network.send(node.name, this.name, arrive, { once: true });
    };
    if (broker === null) return;
    node.unanswered += 1;
    let promise: Promise<T>;
    try {
      promise = request(broker);
    } catch (error) {
      promise = Promise.reject(error);
    }
    promise.then(
      (value) => respond({ outcome: "ok", value, isStale: false }),
      (error: unknown) => {
        if (error instanceof MoldauError)
          respond({ outcome: error.effect === "none" ? "fail" : "info", code: error.code, error });
        else if (node.lives(life)) this.#failed(what, error);
      },
    );
  }
}
