// A partition log as simply as it can be said: offsets, each holding one value, of which
// a crash may take back only what nobody was promised.
//
// Owns: which claims on an offset are firm. A claim is firm when the record was acknowledged
//   with acks=all or was read by anyone; acks=leader is a promise that a crash may break.
// Never: knows of files, segments or syncs.
//
// Who made a claim is a number, the index of an event of a history; so is the time of a crash.

import type { History, LogName, ReadRecord } from "./history.ts";
import { tell, when } from "./history.ts";

export interface Claim {
  readonly value: string;
  readonly firm: boolean;
  readonly by: number;
}

export class PartitionModel {
  readonly log: LogName;
  readonly #values: (string | undefined)[] = [];
  readonly #by: number[] = [];
  readonly #firm: boolean[] = [];
  #lastCrash = -1;
  /** One past the highest firm claim: what a restart must at least reach. */
  firmEnd = 0;

  constructor(log: LogName) {
    this.log = log;
  }

  claim(offset: number): Claim | null {
    const value = this.#values[offset];
    if (value === undefined) return null;
    return { value, firm: this.#firm[offset] as boolean, by: this.#by[offset] as number };
  }

  /** Takes note of a record that was asked for or sent as of event `since`; the claim that it contradicts, if any. */
  learn(offset: number, value: string, firm: boolean, by: number, invokedAt: (event: number) => number): Claim | null {
    const known = this.#values[offset];
    const isVoid =
      known !== undefined && !this.#firm[offset] && invokedAt(this.#by[offset] as number) <= this.#lastCrash;
    if (known !== undefined && known !== value && !isVoid) return this.claim(offset);
    if (known === undefined || isVoid || (firm && !this.#firm[offset])) {
      this.#values[offset] = value;
      this.#by[offset] = by;
      this.#firm[offset] = firm;
    }
    if (firm && offset >= this.firmEnd) this.firmEnd = offset + 1;
    return null;
  }

  /** Promises that were not firm and were given before this are void. */
  crashed(at: number): void {
    this.#lastCrash = at;
  }

  /** The lowest firm claim at or after `offset` that was known before event `before`. */
  firmFrom(offset: number, before: number): { readonly offset: number; readonly claim: Claim } | null {
    for (let at = Math.max(0, offset); at < this.firmEnd; at++) {
      if (this.#firm[at] === true && (this.#by[at] as number) < before)
        return { offset: at, claim: this.claim(at) as Claim };
    }
    return null;
  }
}

/** The first record at or after a time in log order, as Kafka answers a look-up. */
export function lookUp(records: readonly ReadRecord[], timestamp: number): ReadRecord | null {
  return records.find((record) => record.timestamp >= timestamp) ?? null;
}

export interface Contradiction {
  /** `changed`: an offset has another value; `lost`: it is gone. */
  readonly kind: "changed" | "lost";
  readonly log: LogName;
  readonly events: readonly number[];
  message(): string;
}

export interface Replay {
  readonly models: ReadonlyMap<LogName, PartitionModel>;
  readonly contradictions: readonly Contradiction[];
  /** How many records were held against the models, and how many ends of logs. */
  readonly recordsCompared: number;
  readonly endsCompared: number;
}

/** Follows a history with a model a log. At most 10 contradictions of a kind are kept. */
export function replay(history: History): Replay {
  return new Replayer(history).all();
}

class Replayer {
  readonly #history: History;
  readonly #models: Map<LogName, PartitionModel> = new Map();
  /** Logs whose first description after an unclean end is still to come. */
  readonly #unsettled: Set<LogName> = new Set();
  readonly #contradictions: Contradiction[] = [];
  #recordsCompared = 0;
  #endsCompared = 0;

  constructor(history: History) {
    this.#history = history;
  }

  all(): Replay {
    this.#history.forEach((event, index) => {
      if (event.kind === "crash" || (event.kind === "close" && event.clean !== true)) {
        for (const [log, model] of this.#models) {
          model.crashed(index);
          this.#unsettled.add(log);
        }
      } else if (event.kind === "produce") {
        const { offsets } = event;
        if (event.outcome !== "ok" || event.acks === "none" || offsets === undefined) return;
        const model = this.#modelOf(event.log);
        event.records.forEach(({ value }, place) => {
          const offset = offsets[place];
          if (offset !== undefined) this.#learn(model, offset, value, event.acks === "all", index);
        });
      } else if (event.kind === "read" && event.outcome === "ok") {
        const model = this.#modelOf(event.log);
        for (const { offset, value } of event.records) this.#learn(model, offset, value, true, index);
        if (event.manner === "audit")
          this.#mustReach(
            model,
            Math.max(event.nextOffset, event.logStartOffset),
            index,
            "everything there was ended at",
          );
      } else if (event.kind === "describe" && event.state !== "offline" && this.#unsettled.delete(event.log)) {
        this.#mustReach(this.#modelOf(event.log), event.logEndOffset, index, "after recovery the log ends at");
      }
    });
    return {
      models: this.#models,
      contradictions: this.#contradictions,
      recordsCompared: this.#recordsCompared,
      endsCompared: this.#endsCompared,
    };
  }

  readonly #invokedAt = (event: number): number => this.#history[event]?.invokedAt ?? -1;

  #modelOf(log: LogName): PartitionModel {
    let model = this.#models.get(log);
    if (model === undefined) {
      model = new PartitionModel(log);
      this.#models.set(log, model);
    }
    return model;
  }

  #learn(model: PartitionModel, offset: number, value: string, firm: boolean, by: number): void {
    this.#recordsCompared++;
    const known = model.learn(offset, value, firm, by, this.#invokedAt);
    if (known !== null)
      this.#contradict(
        "changed",
        model.log,
        [by, known.by],
        () =>
          `${model.log} offset ${offset} was '${known.value}' (${this.#tell(known.by)}), then '${value}' (${this.#tell(by)})`,
      );
  }

  #mustReach(model: PartitionModel, end: number, by: number, words: string): void {
    this.#endsCompared++;
    if (model.firmEnd <= end) return;
    const lost = model.firmFrom(end, this.#invokedAt(by));
    if (lost === null) return;
    this.#contradict("lost", model.log, [by, lost.claim.by], () => {
      const event = this.#history[by];
      const life = event === undefined ? "" : ` ${when(event)}`;
      return `${model.log} offset ${lost.offset} held '${lost.claim.value}' (${this.#tell(lost.claim.by)}), but ${words} ${end}${life}: ${this.#tell(by)}`;
    });
  }

  #tell(index: number): string {
    const event = this.#history[index];
    return event === undefined ? "" : tell(event);
  }

  #contradict(kind: Contradiction["kind"], log: LogName, events: readonly number[], message: () => string): void {
    const kept = this.#contradictions.filter((one) => one.kind === kind).length;
    if (kept < 10) this.#contradictions.push({ kind, log, events, message });
  }
}
