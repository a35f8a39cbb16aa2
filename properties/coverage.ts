// Which rare things happened: a property that never met them proved nothing.
//
// Owns: counting, printing, and failing below a floor.

import type { HistoryEvent } from "./history.ts";

export class Coverage {
  readonly counts: Map<string, number>;

  constructor(counts: Iterable<readonly [string, number]> = []) {
    this.counts = new Map(counts);
  }

  add(name: string, count = 1): void {
    if (count !== 0) this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  count(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  /** What a history shows of itself. */
  note(history: readonly HistoryEvent[]): void {
    for (const event of history) {
      if (event.kind === "produce") {
        this.add(`produce ${event.outcome}`);
        this.add(`acks=${event.acks} ok`, event.outcome === "ok" ? 1 : 0);
        if (event.outcome === "fail") this.add(`refused ${event.code}`);
        if (event.duplicate === true) this.add("duplicates recognised");
        if (event.expectedEndOffset !== undefined) this.add(`conditional ${event.outcome}`);
        if (
          event.producer !== undefined &&
          event.outcome === "ok" &&
          event.producer.sequence + event.records.length > 2 ** 31 - 1
        )
          this.add("sequence wraps");
        if (event.producer !== undefined && event.outcome === "ok" && event.producer.epoch > 0)
          this.add("later epochs");
      } else if (event.kind === "read") {
        this.add(`reads (${event.manner})`, event.outcome === "ok" ? 1 : 0);
        if (event.outcome !== "ok") this.add(`reads refused`);
        if (event.records.length > 0) this.add("records read", event.records.length);
      } else if (event.kind === "epochs") this.add("leader epochs compared", event.batches.length);
      else if (event.kind === "look up")
        this.add(event.offset === null ? "look-ups without a record" : "look-ups with a record");
      else if (event.kind === "lent") this.add("lent bytes given back");
      else if (event.kind === "retention") this.add("retention passes");
      else if (event.kind === "delete records") this.add(`delete records ${event.outcome}`);
      else if (event.kind === "describe" && event.state === "fenced") this.add("fenced partitions seen");
      else if (event.kind === "create topic" || event.kind === "delete topic")
        this.add(`${event.kind} ${event.outcome}`);
      else if (event.kind === "close" && event.clean === true) this.add("clean restarts");
    }
  }

  /** Lines for people. */
  table(): string {
    return [...this.counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => `${String(count).padStart(8)} ${name}`)
      .join("\n");
  }

  /** Throws when something happened less often than `floors` demands of this many runs. */
  demand(floors: Readonly<Record<string, number>>, scale: number): void {
    const short: string[] = [];
    for (const [name, floor] of Object.entries(floors)) {
      const wanted = Math.floor(floor * scale);
      if (this.count(name) < wanted) short.push(`${name}: ${this.count(name)}, at least ${wanted} wanted`);
    }
    if (short.length > 0)
      throw new Error(`the runs met too few of the cases they are for:\n${short.join("\n")}\n\nmet:\n${this.table()}`);
  }
}
