// Histories that are true by construction: of the simplest log there is, under many clients at once.
//
// Owns: a log of arrays with crashes, groups, idempotent producers, conditional appends, deletions and
//   compaction, and clients whose operations overlap. What it writes down breaks no invariant; a test
//   corrupts it, and a benchmark judges a million operations of it.
// Never: looks at an invariant.
//
// An operation has its effect when it is sent or when it completes, as chance has it; between the two
// others come in. A crash takes back what was not synced, and leaves those under way without an answer.

import type { EventSketch, HistoryEvent, LogName, ProducedRecord, ReadRecord } from "../history.ts";
import { draw, type Random } from "../random.ts";

export interface TrueHistoryOptions {
  readonly seed: number;
  /** It ends once there are as many. */
  readonly operations: number;
  readonly logs?: number; // 3
  /** In one operation of `crashEvery`; 0: never. */
  readonly crashEvery?: number; // 200
}

interface Stored extends ReadRecord {
  readonly offset: number;
}

class TrueLog {
  readonly name: LogName;
  readonly compacted: boolean;
  /** By offset minus `base`; undefined where compaction took it. */
  readonly records: (Stored | undefined)[] = [];
  /** By offset: where its batch begins. */
  readonly #batchStarts: number[] = [];
  start = 0;
  synced = 0;
  /** The last batch of each producer that is stored: its stamp and its offsets. */
  readonly batches: Map<string, readonly number[]> = new Map();

  constructor(name: LogName, compacted: boolean) {
    this.name = name;
    this.compacted = compacted;
  }

  get end(): number {
    return this.records.length;
  }

  append(records: readonly ProducedRecord[]): number[] {
    const batchStart = this.records.length;
    return records.map((record) => {
      this.#batchStarts.push(batchStart);
      this.records.push({ ...record, offset: this.records.length });
      return this.records.length - 1;
    });
  }

  /** A crash leaves whole batches; what was synced is among them. */
  cut(offset: number): void {
    this.records.length = offset < this.end ? (this.#batchStarts[offset] as number) : this.end;
    this.#batchStarts.length = this.end;
    for (const [stamp, offsets] of this.batches) if ((offsets.at(-1) ?? 0) >= this.end) this.batches.delete(stamp);
    this.synced = this.end;
  }

  read(from: number, limit: number): { records: ReadRecord[]; nextOffset: number } {
    const records: ReadRecord[] = [];
    let at = from;
    for (; at < this.synced && records.length < limit; at++) {
      const record = this.records[at];
      if (record !== undefined) records.push(record);
    }
    return { records, nextOffset: at };
  }
}

/** What a process has under way. */
interface UnderWay {
  readonly invokedAt: number;
  /** Its effect, when it has not had it yet; what it answers. */
  effect: (() => void) | null;
  readonly complete: () => void;
  readonly lost: () => void;
}

interface Process {
  readonly name: string;
  readonly begin: () => UnderWay | null;
  underWay: UnderWay | null;
}

const maxRead = 20;
const now = 1_767_225_600_000;
const group = "g";

/** The same options give the same history. */
export function trueHistory(options: TrueHistoryOptions): HistoryEvent[] {
  return new Writer(options).write();
}

class Writer {
  readonly #history: HistoryEvent[] = [];
  readonly #options: Required<TrueHistoryOptions>;
  readonly #random: Random;
  readonly #logs: TrueLog[];
  readonly #processes: Process[] = [];
  #operations = 0;
  #incarnation = 1;
  #nowMs = 0;
  #numbers = 0;
  #generation = 0;
  readonly #members: Map<string, TrueLog[]> = new Map();
  readonly #committed: Map<TrueLog, number> = new Map();
  readonly #positions: Map<TrueLog, number> = new Map();

  constructor(options: TrueHistoryOptions) {
    this.#options = { logs: 3, crashEvery: 200, ...options };
    this.#random = draw(options.seed, "true history");
    this.#logs = Array.from(
      { length: this.#options.logs + 1 },
      (_, index) => new TrueLog(index === 0 ? "compacted-0" : `log-${index - 1}`, index === 0),
    );
    for (let index = 0; index < 4; index++) this.#addProducer(`p${index}`);
    for (let index = 0; index < 2; index++) this.#addKeyed(`k${index}`);
    for (let index = 0; index < 3; index++) this.#addIdempotent(`i${index}`);
    for (let index = 0; index < 2; index++) this.#addConditional(`c${index}`);
    for (let index = 0; index < 3; index++) this.#addCursor(`r${index}`);
    for (let index = 0; index < 3; index++) this.#addMember(`m${index}`);
    this.#add("d", () => this.#deletion());
  }

  write(): HistoryEvent[] {
    const { operations, crashEvery } = this.#options;
    this.#push({ kind: "policy", log: "compacted-0", compact: true, deleteRetentionMs: 1e9 });
    this.#rebalance();
    while (this.#operations < operations) {
      this.#nowMs += this.#random.next();
      if (crashEvery > 0 && this.#random.chance(1 / crashEvery)) this.#crash();
      else if (this.#random.chance(0.004)) this.#rebalance();
      else if (this.#random.chance(0.05)) for (const log of this.#logs) log.synced = log.end;
      else this.#step(this.#random.pick(this.#processes));
      if (this.#random.chance(0.001)) this.#compact();
    }
    for (const process of this.#processes) this.#complete(process);
    this.#audit();
    return this.#history;
  }

  #push(event: EventSketch, invokedAt: number = this.#history.length): void {
    this.#history.push({
      ...{ ...event, atMs: Math.round(this.#nowMs), incarnation: this.#incarnation, invokedAt },
    } as HistoryEvent);
  }

  #add(name: string, begin: () => UnderWay | null): void {
    this.#processes.push({ name, begin, underWay: null });
  }

  #step(process: Process): void {
    if (process.underWay !== null) return this.#complete(process);
    process.underWay = process.begin();
    if (process.underWay === null) return;
    this.#operations++;
    if (this.#random.chance(0.5)) takeEffect(process.underWay);
  }

  #complete(process: Process): void {
    const { underWay } = process;
    if (underWay === null) return;
    process.underWay = null;
    takeEffect(underWay);
    underWay.complete();
  }

  #crash(): void {
    for (const process of this.#processes) {
      const { underWay } = process;
      if (underWay === null) continue;
      process.underWay = null;
      if (this.#random.chance(0.5)) takeEffect(underWay);
      underWay.lost();
    }
    this.#push({ kind: "crash", detail: "power" });
    for (const log of this.#logs) log.cut(log.synced + this.#random.below(log.end - log.synced + 1));
    this.#incarnation++;
    this.#push({ kind: "open", detail: "" });
    for (const log of this.#logs) this.#describe(log, true);
  }

  #describe(log: TrueLog, quiet: boolean): void {
    this.#push({
      ...{ kind: "describe", log: log.name, state: "online", segments: 1, quiet: quiet && log.synced === log.end },
      ...{ logStartOffset: log.start, lastStableOffset: log.synced, highWatermark: log.synced },
      logEndOffset: log.end,
    });
  }

  #records(process: string, count: number): ProducedRecord[] {
    return Array.from({ length: count }, () => ({
      value: `${process}.${this.#numbers}`,
      timestamp: now + this.#numbers++,
    }));
  }

  #pickLog(): TrueLog {
    return this.#logs[1 + this.#random.below(this.#logs.length - 1)] as TrueLog;
  }

  #addProducer(process: string): void {
    this.#add(process, () => {
      const acks = this.#random.pick(["all", "all", "leader", "none"] as const);
      const log = this.#pickLog();
      return this.#append(process, log, this.#records(process, 1 + this.#random.below(3)), acks, {}, () => {});
    });
  }

  #addKeyed(process: string): void {
    this.#add(process, () => {
      const key = `${process}-${this.#random.below(4)}`;
      const tombstone = this.#random.chance(0.3);
      const records = this.#records(process, 1).map((record) => ({ ...record, key, ...(tombstone && { tombstone }) }));
      return this.#append(process, this.#logs[0] as TrueLog, records, "all", {}, () => {});
    });
  }

  #append(
    process: string,
    log: TrueLog,
    records: readonly ProducedRecord[],
    acks: "all" | "leader" | "none",
    more: { readonly expectedEndOffset?: number },
    answered: (outcome: "ok" | "fail" | "info") => void,
  ): UnderWay {
    const invokedAt = this.#history.length;
    let offsets: readonly number[] | null = null;
    const event = { kind: "produce", process, log: log.name, acks, records, ...more } as const;
    return {
      invokedAt,
      effect: () => {
        if (more.expectedEndOffset === undefined || more.expectedEndOffset === log.end) offsets = log.append(records);
      },
      complete: () => {
        if (offsets === null) {
          this.#push({ ...event, outcome: "fail", code: "OFFSET_MISMATCH" }, invokedAt);
          return answered("fail");
        }
        if (acks === "all") log.synced = log.end;
        if (acks === "none") this.#push({ ...event, outcome: "info" }, invokedAt);
        else this.#push({ ...event, outcome: "ok", offsets }, invokedAt);
        answered("ok");
      },
      lost: () => {
        this.#push({ ...event, outcome: "info", code: "no answer" }, invokedAt);
        answered("info");
      },
    };
  }

  #addIdempotent(process: string): void {
    const id = this.#processes.length;
    this.#push({ kind: "allocate producer", outcome: "ok", producerId: id });
    const progress = new Map<TrueLog, { sequence: number; batch: readonly ProducedRecord[] | null }>();
    this.#add(process, () => {
      const log = this.#pickLog();
      const state = progress.get(log) ?? { sequence: 2 ** 31 - 20, batch: null };
      progress.set(log, state);
      const retry = state.batch !== null;
      state.batch ??= this.#records(process, 1 + this.#random.below(3));
      const batch = state.batch;
      const stamp = `${id} ${state.sequence}`;
      const event = {
        kind: "produce" as const,
        acks: "all" as const,
        ...{ process, log: log.name, records: batch, retry },
        producer: { id, epoch: 0, sequence: state.sequence },
      };
      const invokedAt = this.#history.length;
      let stored: readonly number[] = [];
      let duplicate = false;
      return {
        invokedAt,
        effect: () => {
          duplicate = log.batches.has(stamp);
          stored = log.batches.get(stamp) ?? log.append(batch);
          log.batches.set(stamp, stored);
        },
        complete: () => {
          log.synced = log.end;
          this.#push({ ...event, outcome: "ok", offsets: stored, duplicate }, invokedAt);
          // Now and then what was acknowledged is sent again.
          if (!duplicate && this.#random.chance(0.1)) return;
          state.sequence = (state.sequence + batch.length) % 2 ** 31;
          state.batch = null;
        },
        lost: () => this.#push({ ...event, outcome: "info", code: "no answer" }, invokedAt),
      };
    });
  }

  #addConditional(process: string): void {
    this.#add(process, () => {
      const log = this.#pickLog();
      const expectedEndOffset = log.end;
      this.#describe(log, false);
      return this.#append(process, log, this.#records(process, 1), "all", { expectedEndOffset }, () => {});
    });
  }

  #addCursor(process: string): void {
    const positions = new Map<TrueLog, number>();
    this.#add(process, () => {
      const log = this.#random.pick(this.#logs);
      const from = positions.get(log) ?? log.start;
      return this.#read(process, log, from, {}, (nextOffset) => {
        if (nextOffset === null) positions.delete(log);
        else positions.set(log, nextOffset);
      });
    });
  }

  #read(
    process: string,
    log: TrueLog,
    from: number,
    member: { readonly group?: string; readonly member?: string; readonly generation?: number },
    answered: (nextOffset: number | null) => void,
  ): UnderWay {
    const invokedAt = this.#history.length;
    const manner = member.group === undefined ? "cursor" : "group";
    let event: EventSketch | null = null;
    return {
      invokedAt,
      effect: () => {
        const bounds = { logStartOffset: log.start, highWatermark: log.synced };
        const common = { kind: "read", process, log: log.name, manner, from, ...member, ...bounds } as const;
        event =
          from < log.start
            ? { ...common, outcome: "fail", code: "OFFSET_OUT_OF_RANGE", records: [], nextOffset: from }
            : { ...common, outcome: "ok", ...log.read(from, maxRead) };
      },
      complete: () => {
        if (event?.kind !== "read") return;
        if (event.outcome === "ok" || manner === "cursor") this.#push(event, invokedAt);
        answered(event.outcome === "ok" ? event.nextOffset : null);
      },
      lost: () => {},
    };
  }

  /** Everybody gives up everything, and is assigned anew. */
  #rebalance(): void {
    const names = ["m0", "m1", "m2"];
    for (const [member, share] of this.#members)
      if (share.length > 0) {
        const partitions = share.map((log) => log.name);
        this.#push({ kind: "revoke", group, member, generation: this.#generation, partitions });
      }
    for (const process of this.#processes) if (process.name.startsWith("m")) process.underWay = null;
    this.#generation++;
    const turn = this.#random.below(names.length);
    names.forEach((member, place) => {
      const share = this.#logs.filter((_, index) => (index + turn) % names.length === place);
      this.#members.set(member, share);
      const partitions = share.map((log) => log.name);
      this.#push({ kind: "assign", group, member, generation: this.#generation, partitions });
    });
    this.#positions.clear();
  }

  #addMember(member: string): void {
    this.#add(member, () => {
      const share = this.#members.get(member) ?? [];
      if (share.length === 0) return null;
      const log = this.#random.pick(share);
      const generation = this.#generation;
      const position = this.#positions.get(log);
      if (position === undefined) {
        const offset = this.#committed.get(log) ?? -1;
        this.#operations++;
        this.#push({ kind: "committed", group, member, log: log.name, offset });
        this.#positions.set(log, Math.max(offset, offset < 0 ? log.start : offset));
        return null;
      }
      if (position !== this.#committed.get(log) && position > 0 && this.#random.chance(0.4)) {
        this.#operations++;
        const commit = { kind: "commit", group, member, log: log.name, offset: position } as const;
        if (generation > 1 && this.#random.chance(0.1)) {
          this.#push({ ...commit, generation: generation - 1, outcome: "fail", code: "ILLEGAL_GENERATION" });
        } else {
          this.#committed.set(log, position);
          this.#push({ ...commit, generation, outcome: "ok" });
        }
        return null;
      }
      return this.#read(member, log, position, { group, member, generation }, (nextOffset) =>
        this.#positions.set(log, nextOffset ?? log.start),
      );
    });
  }

  #deletion(): UnderWay | null {
    const log = this.#pickLog();
    if (log.synced - log.start < 100 || !this.#random.chance(0.1)) return null;
    const before = log.start + this.#random.below(50);
    const invokedAt = this.#history.length;
    const event = { kind: "delete records", log: log.name, before } as const;
    let start = 0;
    return {
      invokedAt,
      effect: () => {
        log.start = Math.max(log.start, before);
        start = log.start;
      },
      complete: () => this.#push({ ...event, outcome: "ok", logStartOffset: start }, invokedAt),
      lost: () => this.#push({ ...event, outcome: "info", code: "no answer" }, invokedAt),
    };
  }

  /** Takes what a later record of its key has replaced; tombstones stay. */
  #compact(): void {
    const log = this.#logs[0] as TrueLog;
    const seen = new Set<string>();
    for (let at = log.synced - 1; at >= 0; at--) {
      const key = log.records[at]?.key;
      if (key === undefined) continue;
      // The last one of the log is in its active segment.
      if (seen.has(key) && at < log.synced - 1) log.records[at] = undefined;
      seen.add(key);
    }
  }

  #audit(): void {
    for (const log of this.#logs) {
      log.synced = log.end;
      this.#describe(log, true);
      this.#operations++;
      const { records, nextOffset } = log.read(log.start, Number.POSITIVE_INFINITY);
      this.#push({
        ...{ kind: "read", process: "auditor", log: log.name, manner: "audit", from: log.start, outcome: "ok" },
        ...{ records, nextOffset, logStartOffset: log.start, highWatermark: log.synced },
      });
      for (let count = 0; count < 3 && records.length > 0; count++) {
        const { timestamp } = this.#random.pick(records);
        const found = records.find((record) => record.timestamp >= timestamp) as ReadRecord;
        this.#operations++;
        this.#push({
          ...{ kind: "look up", log: log.name, timestamp, offset: found.offset, recordTimestamp: found.timestamp },
        });
      }
      const offset = this.#committed.get(log) ?? -1;
      this.#push({ kind: "committed", group, log: log.name, offset });
    }
  }
}

function takeEffect(underWay: UnderWay): void {
  underWay.effect?.();
  underWay.effect = null;
}
