// The network between clients and nodes: messages that are late, lost, doubled and overtaken.
//
// Owns: what becomes of a message on its way, links that are cut or clogged, and the count of each.
// Never: looks into a message, or knows who listens.
//
// A message of a channel is never overtaken by a later one of that channel and never doubled, as
// on one connection; it can be lost, as with a connection that breaks. Every other message can be
// overtaken, and doubled where its sender allows it: a client that sends again.

import { type Random, Stream } from "../random.ts";
import type { Scheduler } from "./scheduler.ts";

/** What a seed's network is like. */
export interface NetworkMix {
  readonly lossPercent: number;
  readonly duplicatePercent: number;
  readonly delayMs: number;
  /** Of messages, that take much longer than the others. */
  readonly latePercent: number;
}

export const calmNetwork: NetworkMix = { lossPercent: 0, duplicatePercent: 0, delayMs: 1, latePercent: 0 };

/** Keeps messages in order. */
export interface Channel {
  lastArrivalMs: number;
}

interface Link {
  readonly stream: Stream;
  cutUntilMs: number;
  cloggedUntilMs: number;
  sent: number;
  lastDelivered: number;
}

export interface NetworkCounts {
  sent: number;
  delivered: number;
  lost: number;
  doubled: number;
  overtaken: number;
  late: number;
  cut: number;
  clogged: number;
}

export class Network {
  readonly counts: NetworkCounts = {
    ...{ sent: 0, delivered: 0, lost: 0, doubled: 0 },
    ...{ overtaken: 0, late: 0, cut: 0, clogged: 0 },
  };
  readonly #scheduler: Scheduler;
  readonly #links: Map<string, Link> = new Map();
  #mix: NetworkMix;
  /** Messages that have not arrived yet. */
  underWay = 0;

  constructor(scheduler: Scheduler, mix: NetworkMix) {
    this.#scheduler = scheduler;
    this.#mix = mix;
  }

  /** Every link works as it should from now on. */
  heal(): void {
    this.#mix = calmNetwork;
    for (const link of this.#links.values()) link.cutUntilMs = link.cloggedUntilMs = 0;
  }

  /** Nothing passes from one to the other for a while; the other way is another link. */
  cut(from: string, to: string, durationMs: number): void {
    const link = this.#link(from, to);
    link.cutUntilMs = Math.max(link.cutUntilMs, this.#scheduler.nowMs + durationMs);
  }

  /** What is sent for a while arrives only when that is over. */
  clog(from: string, to: string, durationMs: number): void {
    const link = this.#link(from, to);
    link.cloggedUntilMs = Math.max(link.cloggedUntilMs, this.#scheduler.nowMs + durationMs);
  }

  /** Calls `deliver` when it arrives: never, once, or twice. Returns how often it will. */
  send(
    from: string,
    to: string,
    deliver: () => void,
    how: { readonly channel?: Channel; readonly once?: boolean },
  ): number {
    const link = this.#link(from, to);
    const chance = link.stream.next();
    const number = ++link.sent;
    this.counts.sent += 1;
    const { nowMs } = this.#scheduler;
    if (nowMs < link.cutUntilMs) {
      this.counts.cut += 1;
      return 0;
    }
    if (chance.chance(this.#mix.lossPercent / 100)) {
      this.counts.lost += 1;
      return 0;
    }
    const isDoubled = how.channel === undefined && how.once !== true && chance.chance(this.#mix.duplicatePercent / 100);
    this.#carry(link, number, chance, deliver, how.channel);
    if (!isDoubled) return 1;
    this.counts.doubled += 1;
    this.#carry(link, number, chance, deliver, undefined);
    return 2;
  }

  #carry(link: Link, number: number, chance: Random, deliver: () => void, channel: Channel | undefined): void {
    const { nowMs } = this.#scheduler;
    let arrivalMs = nowMs + this.#delay(chance);
    if (nowMs < link.cloggedUntilMs) {
      this.counts.clogged += 1;
      arrivalMs = link.cloggedUntilMs + this.#delay(chance);
    }
    if (channel !== undefined) {
      arrivalMs = Math.max(arrivalMs, channel.lastArrivalMs + 0.001);
      channel.lastArrivalMs = arrivalMs;
    }
    this.underWay += 1;
    this.#scheduler.after("message", arrivalMs - nowMs, link.stream.id(), () => {
      this.underWay -= 1;
      this.counts.delivered += 1;
      if (number < link.lastDelivered) this.counts.overtaken += 1;
      else link.lastDelivered = number;
      deliver();
    });
  }

  #delay(chance: Random): number {
    const { delayMs, latePercent } = this.#mix;
    const delay = delayMs * (0.25 + 1.5 * chance.next());
    if (!chance.chance(latePercent / 100)) return delay;
    this.counts.late += 1;
    return delay * (5 + 30 * chance.next());
  }

  #link(from: string, to: string): Link {
    const name = `${from}>${to}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = {
        ...{ stream: new Stream(this.#scheduler.seed, "link", name), cutUntilMs: 0, cloggedUntilMs: 0 },
        ...{ sent: 0, lastDelivered: 0 },
      };
      this.#links.set(name, link);
    }
    return link;
  }
}
