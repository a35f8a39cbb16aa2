// A log of a history beside the simplest log there is.
//
// Owns: what of a history is a claim on an offset, and when the log must reach as far as it was promised.
// Never: decides which claims are firm (model.ts).

import type { Described, LogName, Produced, Read } from "../history.ts";
import { tell, when } from "../history.ts";
import { PartitionModel } from "../model.ts";
import type { IndexedHistory } from "./indexed.ts";

export interface Contradiction {
  /** `changed`: an offset has another value; `lost`: it is gone. */
  readonly kind: "changed" | "lost";
  readonly events: readonly number[];
  message(): string;
}

/** How many contradictions of a kind are kept. */
const kept = 10;

/** Takes what happens to one log, one event after the other; the rows of an event are filled by then. */
export class PartitionReplay {
  readonly contradictions: Contradiction[] = [];
  /** How many records were held against the model, and how many ends of the log. */
  recordsCompared = 0;
  endsCompared = 0;
  /** Its values are the numbers that the log's values have. */
  readonly #model: PartitionModel<number>;
  readonly #history: IndexedHistory;
  /** Its first description after an unclean end is still to come. */
  #isUnsettled = false;

  constructor(log: LogName, history: IndexedHistory) {
    this.#model = new PartitionModel(log);
    this.#history = history;
  }

  produced({ outcome, acks, offsets }: Produced, index: number): void {
    if (outcome === "ok" && acks !== "none" && offsets !== undefined) this.#learn(index, acks === "all");
  }

  read(event: Read, index: number): void {
    this.#learn(index, true);
    if (event.manner === "audit")
      this.#mustReach(Math.max(event.nextOffset, event.logStartOffset), index, "everything there was ended at");
  }

  described(event: Described, index: number): void {
    if (!this.#isUnsettled) return;
    this.#isUnsettled = false;
    this.#mustReach(event.logEndOffset, index, "after recovery the log ends at");
  }

  /** Event `index` ended the log's process in an unclean way. */
  crashed(index: number): void {
    this.#model.crashed(index);
    this.#isUnsettled = true;
  }

  readonly #invokedAt = (event: number): number => this.#history.event(event).invokedAt;

  #learn(by: number, firm: boolean): void {
    const { value, offset } = this.#history;
    const end = this.#history.endRow(by);
    for (let row = this.#history.firstRow(by); row < end; row++) {
      const at = offset[row] as number;
      if (at < 0) continue;
      this.recordsCompared++;
      const known = this.#model.learn(at, value[row] as number, firm, by, this.#invokedAt);
      if (known === null) continue;
      this.#contradict("changed", [by, known.by], () => {
        const [before, now] = [this.#valueAt(at, known.by), this.#valueAt(at, by)];
        return `${this.#model.log} offset ${at} was '${before}' (${this.#tell(known.by)}), then '${now}' (${this.#tell(by)})`;
      });
    }
  }

  #mustReach(end: number, by: number, words: string): void {
    this.endsCompared++;
    if (this.#model.firmEnd <= end) return;
    const lost = this.#model.firmFrom(end, this.#invokedAt(by));
    if (lost === null) return;
    const { offset, claim } = lost;
    this.#contradict(
      "lost",
      [by, claim.by],
      () =>
        `${this.#model.log} offset ${offset} held '${this.#valueAt(offset, claim.by)}' (${this.#tell(claim.by)}), but ${words} ${end} ${when(this.#history.event(by))}: ${this.#tell(by)}`,
    );
  }

  /** What an event says of an offset. */
  #valueAt(offset: number, index: number): string {
    const first = this.#history.firstRow(index);
    const place = this.#history.offset.subarray(first, this.#history.endRow(index)).indexOf(offset);
    return this.#history.produced(index).records[place]?.value ?? "";
  }

  #tell(index: number): string {
    return tell(this.#history.event(index));
  }

  #contradict(kind: Contradiction["kind"], events: readonly number[], message: () => string): void {
    const before = this.contradictions.filter((one) => one.kind === kind).length;
    if (before < kept) this.contradictions.push({ kind, events, message });
  }
}
