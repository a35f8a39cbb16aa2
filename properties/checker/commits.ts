// What a group may answer as committed.
//
// Owns: the commits of a history as writes to one register a (group, log): of two that were under way
//   together either may be the later one; one that was refused never counts, one without an answer may.

import type { LogName } from "../history.ts";
import { tell } from "../history.ts";
import type { IndexedHistory } from "./indexed.ts";
import { Rising } from "./rising.ts";

export interface Complaint {
  readonly events: readonly number[];
  message(): string;
}

interface Register {
  /** When the newest acknowledged commit was sent, as was known at any time. */
  readonly sentAt: Rising;
  /** By offset: when it was first sent, and when it may have taken effect at the latest. */
  readonly offsets: Map<number, { sent: number; effect: number }>;
}

export class Commits {
  readonly #history: IndexedHistory;
  readonly #registers: Map<string, Register> = new Map();

  constructor(history: IndexedHistory) {
    this.#history = history;
    history.forEach(["commit"], (event, index) => {
      if (event.outcome === "fail") return;
      const key = `${event.group} ${event.log}`;
      let register = this.#registers.get(key);
      if (register === undefined) {
        register = { sentAt: new Rising(), offsets: new Map() };
        this.#registers.set(key, register);
      }
      const effect = event.outcome === "ok" ? index : Number.POSITIVE_INFINITY;
      const known = register.offsets.get(event.offset);
      if (known === undefined) register.offsets.set(event.offset, { sent: event.invokedAt, effect });
      else {
        known.sent = Math.min(known.sent, event.invokedAt);
        known.effect = Math.max(known.effect, effect);
      }
      if (event.outcome === "ok") register.sentAt.add(index, event.invokedAt);
    });
  }

  /** The newest commit that had been acknowledged before event `before`. */
  lastAcknowledged(
    group: string,
    log: LogName,
    before: number,
  ): { readonly offset: number; readonly sent: number; readonly index: number } | null {
    const newest = this.#registers.get(`${group} ${log}`)?.sentAt.before(before) ?? null;
    if (newest === null) return null;
    const event = this.#history.event(newest.index);
    return event.kind === "commit" ? { offset: event.offset, sent: newest.value, index: newest.index } : null;
  }

  /** Whether `offset` (-1: none) may be the answer to a question that was asked and answered then; null when it may. */
  judge(group: string, log: LogName, offset: number, askedAt: number, answeredAt: number): Complaint | null {
    const last = this.lastAcknowledged(group, log, askedAt);
    if (offset === -1)
      return last === null
        ? null
        : { events: [last.index], message: () => `nothing is committed any more after ${this.#tell(last.index)}` };
    const known = this.#registers.get(`${group} ${log}`)?.offsets.get(offset);
    // One that was sent when the history had as many events as before the answer was under way then.
    if (known === undefined || known.sent > answeredAt)
      return {
        events: last === null ? [] : [last.index],
        message: () =>
          `nobody of ${group} had committed ${offset} of ${log}${last === null ? "" : `, but ${this.#tell(last.index)}`}`,
      };
    if (last !== null && known.effect < last.sent)
      return {
        events: [last.index],
        message: () => `${offset} of ${log} came back after it was replaced: ${this.#tell(last.index)}`,
      };
    return null;
  }

  #tell(index: number): string {
    return tell(this.#history.event(index));
  }
}
