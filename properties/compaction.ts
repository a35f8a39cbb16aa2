// A short life of a compacted topic, and what must hold of it at every look: plan in, violations out.
//
// Owns: the plan's commands, a model of one partition (what was written, at which offset), and the
//   comparison of what a reader sees with it, each difference under the name of the invariant that it breaks.
//   Source: correctness.md A 9 (KIP-534, KAFKA-4529, KAFKA-5490, KAFKA-8335, KAFKA-6264) and A 15.
// Never: draws a plan (compaction-plans.ts).
//
// Each life has a map of its own that holds few keys, so that passes end for want of room.

import { oneRecordAKey } from "./checker/cleaning.ts";
import { compactionKeepsOrder, latestOfAKeySurvives, tombstonesOutliveTheirTime } from "./checker/compaction.ts";
import { nothingPromisedIsLost, progress } from "./checker/durability.ts";
import type { Invariant, Violation } from "./checker/index.ts";
import { lookUpByTime } from "./checker/look-up.ts";
import { dense, oneOffsetOneValue } from "./checker/offsets.ts";
import { retriesAreRecognised, sequencesWithoutGap } from "./checker/producers.ts";
import { foundWhole } from "./checker/recovery.ts";
import { Coverage } from "./coverage.ts";
import { valueBytes, valueName } from "./records.ts";
import { smallMaps } from "./small-maps.ts";
import { type Broker, kernel, limits, MoldauError, openBroker, verifyDataFolder } from "./subject.ts";
import { World } from "./world.ts";

/** A size of null is a tombstone. */
export interface PlannedRecord {
  readonly key: number;
  readonly size: number | null;
}

export type CompactionCommand =
  | {
      readonly do: "append";
      readonly records: readonly PlannedRecord[];
      readonly packed: boolean;
      /** One of two idempotent producers. */
      readonly producer: number | null;
    }
  | { readonly do: "retry"; readonly producer: number }
  | { readonly do: "pass time"; readonly ms: number }
  /** Power goes at that write from here on; never when 0. */
  | { readonly do: "compact"; readonly crashAfter: number; readonly recoveryCrashes: readonly number[] }
  | { readonly do: "append while compacting"; readonly records: readonly PlannedRecord[] }
  | { readonly do: "delete records"; readonly percent: number }
  | { readonly do: "crash" }
  | { readonly do: "restart"; readonly without: readonly ("snapshots" | "cleaner" | "indexes")[] };

export interface CompactionPlan {
  readonly seed: number;
  readonly configs: Readonly<Record<string, string | number>>;
  readonly mapKeys: number;
  readonly commands: readonly CompactionCommand[];
}

export interface CompactionRunOptions {
  readonly crashAtWrites?: readonly number[];
  readonly coverage?: Coverage;
}

interface Written {
  readonly key: string;
  /** null is a tombstone. */
  readonly value: string | null;
  readonly timestamp: number;
}

interface Producer {
  id: number;
  nextSequence: number;
  last: { readonly bytes: Uint8Array; readonly baseOffset: number; readonly lastOffset: number } | null;
}

const topic = "t";
const folder = "t-0";
const answerLimitMs = 600_000;
const sequences = 2 ** 31;
const encoder = new TextEncoder();

/** Power went while something was awaited. */
class PowerLost extends Error {}

/** Told of no history: when a pass met a tombstone first, only who stands beside the broker knows. */
const passedTombstonesGo: Named = {
  name: "A9: no tombstone outlives the first whole pass after its time",
  source: "KIP-534; KAFKA-4529",
};

type Named = Pick<Invariant, "name" | "source">;

class Broken extends Error {
  readonly invariant: Named;
  constructor(invariant: Named, message: string) {
    super(message);
    this.invariant = invariant;
  }
}

export interface CompactionResult {
  readonly violations: readonly Violation[];
  readonly world: World;
  /** Writes of the disk up to the end of the plan's commands. */
  readonly commandWrites: number;
}

export async function executeCompaction(
  plan: CompactionPlan,
  options: CompactionRunOptions = {},
): Promise<CompactionResult> {
  const run = new CompactionRun(plan, options);
  try {
    await run.all();
    return { violations: [], world: run.world, commandWrites: run.commandWrites };
  } catch (error) {
    // Nothing that is asked here may be refused.
    const invariant = error instanceof Broken ? error.invariant : error instanceof MoldauError ? progress : null;
    if (invariant === null) throw error;
    const { name, source } = invariant;
    const violation = { invariant: name, source, message: (error as Error).message, events: [] };
    return { violations: [violation], world: run.world, commandWrites: run.commandWrites };
  }
}

class CompactionRun {
  readonly world: World;
  readonly #plan: CompactionPlan;
  readonly #coverage: Coverage;
  readonly #retentionMs: number;
  #broker: Broker | null = null;
  #written: Written[] = [];
  /** Sent, and nobody was told what became of it. */
  #unknown: {
    readonly records: readonly Written[];
    readonly producer: Producer | null;
    readonly bytes: Uint8Array;
  } | null = null;
  #start = 0;
  readonly #producers: Producer[] = [];
  /** Offsets that compaction was seen to have taken. */
  readonly #gone: Set<number> = new Set();
  /** When the first pass began that may have found a tombstone. */
  readonly #firstPassMs: Map<number, number> = new Map();
  /** When a whole run was over that certainly did. */
  readonly #surelySeenMs: Map<number, number> = new Map();
  #lastPassMs = Number.NEGATIVE_INFINITY;
  #sent = 0;
  commandWrites = 0;

  constructor(plan: CompactionPlan, { crashAtWrites, coverage }: CompactionRunOptions) {
    this.#plan = plan;
    this.#coverage = coverage ?? new Coverage();
    this.#retentionMs = Number(plan.configs["delete.retention.ms"] ?? 86_400_000);
    this.world = new World({ seed: plan.seed, ...(crashAtWrites === undefined ? {} : { crashAtWrites }) });
  }

  async all(): Promise<void> {
    await this.#survive(() => this.#open());
    for (let made = false; !made; ) made = (await this.#survive(() => this.#begin())) !== "lost";
    for (const command of this.#plan.commands) {
      await this.#survive(() => this.#command(command), command.do === "compact" ? command.recoveryCrashes : []);
    }
    this.commandWrites = this.world.counts.writes;
    await this.#survive(() => this.#settle());
    await this.#survive(() => this.#restart([]));
    await this.#survive(() => this.#close());
  }

  async #begin(): Promise<void> {
    const configs = { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": 0, ...this.#plan.configs };
    await this.#answer(() => this.#live.createTopic(topic, { configs }));
    while (this.#producers.length < 2) {
      const { producerId } = await this.#answer(() => this.#live.allocateProducer());
      this.#producers.push({
        id: producerId,
        nextSequence: this.#producers.length === 0 ? 0 : sequences - 3,
        last: null,
      });
    }
  }

  // ---- lives -------------------------------------------------------------------------------

  get #live(): Broker {
    if (this.#broker === null) throw new PowerLost();
    return this.#broker;
  }

  async #answer<T>(ask: () => Promise<T>): Promise<T> {
    let ended: { readonly value: T } | { readonly error: unknown } | null = null;
    ask().then(
      (value) => void (ended = { value }),
      (error) => void (ended = { error }),
    );
    const inTime = await this.world.time.until(() => ended !== null || this.world.crashed !== null, answerLimitMs);
    if (this.world.crashed !== null) throw new PowerLost();
    if (!inTime || ended === null) throw new Broken(progress, `no answer within ${answerLimitMs} ms`);
    const outcome = ended as { readonly value: T } | { readonly error: unknown };
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  async #survive(work: () => Promise<void>, recoveryCrashes: readonly number[] = []): Promise<"done" | "lost"> {
    try {
      await work();
      return "done";
    } catch (error) {
      if (!(error instanceof PowerLost)) throw error;
    }
    await this.#afterCrash(recoveryCrashes);
    return "lost";
  }

  async #afterCrash(recoveryCrashes: readonly number[]): Promise<void> {
    const crashes = [...recoveryCrashes];
    for (;;) {
      this.#broker = null;
      this.#coverage.add("crashes");
      if (this.world.crashed !== null && /\.(swap|cleaned|deleted)/.test(this.world.crashed.what)) {
        this.#coverage.add("crashes in a swap");
      }
      await this.world.losePower();
      try {
        await this.#open(crashes.shift() ?? 0);
        if (this.#producers.length > 0) await this.#look();
        return;
      } catch (error) {
        if (!(error instanceof PowerLost)) throw error;
        this.#coverage.add("crashes in a recovery");
      }
    }
  }

  async #open(crashAfter = 0): Promise<void> {
    const storage = this.world.begin();
    if (crashAfter > 0) this.world.crashAfter(crashAfter);
    this.#broker = await this.#answer(() =>
      openBroker({
        storage,
        kernel: { ...kernel, openOffsetMap: smallMaps(this.#plan.mapKeys) },
        clock: this.world.clock(),
        entropy: this.world.entropy,
        logger: this.world.logger,
        decompressor: { decompress: (_, bytes, maxBytes) => unpacked(bytes, maxBytes) },
        retentionCheckIntervalMs: Number.POSITIVE_INFINITY,
        compactionCheckIntervalMs: Number.POSITIVE_INFINITY,
        fetchPoolBytes: limits.maxRunBytes,
      }),
    );
    this.world.crashAfter(Number.POSITIVE_INFINITY);
    const { offlinePartitions, notes } = this.#broker.report;
    if (offlinePartitions > 0) throw new Broken(foundWhole, notes.join("; "));
    if (notes.some((note) => note.includes("completed a compaction"))) this.#coverage.add("swaps completed by a start");
    const left = await this.#files(/\.(cleaned|swap|deleted)$/);
    if (left.length > 0) throw new Broken(foundWhole, left.join(", "));
  }

  async #files(pattern: RegExp): Promise<string[]> {
    this.world.looking = true;
    const entries = await this.world.disk.list(folder).catch(() => []);
    this.world.looking = false;
    return entries.map(({ name }) => name).filter((name) => pattern.test(name));
  }

  async #close(): Promise<void> {
    await this.#answer(() => this.#live.close());
    this.#broker = null;
    await this.world.endProcess();
    await this.#verify();
  }

  /** What `moldau log verify` says of a folder that a stop in order has left. */
  async #verify(): Promise<void> {
    const decompressor = { decompress: (_: unknown, bytes: Uint8Array, maxBytes: number) => unpacked(bytes, maxBytes) };
    const walk = verifyDataFolder({ storage: this.world.disk, kernel, decompressor });
    this.world.looking = true;
    for await (const { severity, kind, file, message } of walk) {
      if (severity === "note") continue;
      throw new Broken(foundWhole, `${severity} ${kind} ${file}: ${message}`);
    }
    this.world.looking = false;
    this.#coverage.add("folders verified");
  }

  async #restart(lost: readonly ("snapshots" | "cleaner" | "indexes")[]): Promise<void> {
    // Of producers whose batches were deleted nothing but a snapshot knows.
    const without = lost.filter((what) => what !== "snapshots" || this.#start === 0);
    await this.#close();
    this.world.looking = true;
    const { disk } = this.world;
    if (without.includes("cleaner")) await disk.remove("cleaner-offset-checkpoint").catch(() => {});
    this.world.looking = false;
    const patterns = [
      ...(without.includes("snapshots") ? [/\.snapshot$/] : []),
      ...(without.includes("indexes") ? [/\.(time)?index$/] : []),
    ];
    for (const pattern of patterns) {
      for (const name of await this.#files(pattern)) {
        this.world.looking = true;
        await disk.remove(`${folder}/${name}`);
        this.world.looking = false;
      }
    }
    for (const what of without) this.#coverage.add(`restarts without ${what}`);
    await this.#open();
    await this.#look();
    for (const producer of this.#producers) await this.#retry(producer);
  }

  // ---- commands ----------------------------------------------------------------------------

  async #command(command: CompactionCommand): Promise<void> {
    switch (command.do) {
      case "append":
        return this.#append(command.records, command.packed, command.producer);
      case "retry":
        return this.#retry(this.#producers[command.producer] as Producer);
      case "pass time":
        this.world.wallOffsetMs += command.ms;
        return;
      case "compact":
        if (command.crashAfter > 0) this.world.crashAfter(command.crashAfter);
        await this.#compact();
        this.world.crashAfter(Number.POSITIVE_INFINITY);
        return this.#look();
      case "append while compacting":
        return this.#appendWhileCompacting(command.records);
      case "delete records":
        return this.#deleteRecords(command.percent);
      case "crash":
        throw new PowerLost();
      case "restart":
        return this.#restart(command.without);
    }
  }

  async #append(records: readonly PlannedRecord[], packed: boolean, of: number | null): Promise<void> {
    const producer = of === null ? null : (this.#producers[of] as Producer);
    const timestamp = this.world.wallMs();
    const written = records.map(({ key, size }) => ({
      key: `k${key}`,
      value: size === null ? null : `v${this.#sent++}`,
      timestamp,
    }));
    const bytes = encoded(written, records, packed, producer);
    this.#unknown = { records: written, producer, bytes };
    let appended: Awaited<ReturnType<Broker["appendBatches"]>>;
    try {
      appended = await this.#answer(() => this.#live.appendBatches(topic, 0, bytes));
    } catch (error) {
      if (!(error instanceof MoldauError) || error.code !== "MESSAGE_TOO_LARGE") throw error;
      this.#unknown = null;
      return;
    }
    const { baseOffset, lastOffset, duplicate } = appended;
    if (duplicate) throw new Broken(retriesAreRecognised, `offset ${baseOffset}`);
    if (baseOffset !== this.#written.length) {
      throw new Broken(dense, `${baseOffset} instead of ${this.#written.length}`);
    }
    this.#adopt(lastOffset);
    if (packed) this.#coverage.add("compressed batches");
  }

  /** What was sent last has been stored. */
  #adopt(lastOffset: number): void {
    const unknown = this.#unknown;
    if (unknown === null) return;
    this.#unknown = null;
    const baseOffset = this.#written.length;
    this.#written.push(...unknown.records);
    const { producer, bytes } = unknown;
    if (producer === null) return;
    producer.last = { bytes, baseOffset, lastOffset };
    producer.nextSequence = (producer.nextSequence + unknown.records.length) % sequences;
  }

  /** The last batch again, and one behind a gap. */
  async #retry(producer: Producer): Promise<void> {
    const { last } = producer;
    if (last === null) return;
    const again = await this.#answer(() => this.#live.appendBatches(topic, 0, last.bytes));
    if (!again.duplicate || again.baseOffset !== last.baseOffset || again.lastOffset !== last.lastOffset) {
      const got = `${again.duplicate ? "duplicate" : "appended"} ${again.baseOffset} to ${again.lastOffset}`;
      throw new Broken(
        retriesAreRecognised,
        `producer ${producer.id}: ${got} instead of ${last.baseOffset} to ${last.lastOffset}`,
      );
    }
    this.#coverage.add("retries recognised");
    const ahead = { ...producer, nextSequence: (producer.nextSequence + 7) % sequences };
    const record = { key: "k0", value: "gap", timestamp: this.world.wallMs() };
    try {
      await this.#answer(() =>
        this.#live.appendBatches(topic, 0, encoded([record], [{ key: 0, size: 9 }], false, ahead)),
      );
    } catch (error) {
      if (error instanceof MoldauError && error.code === "OUT_OF_ORDER_SEQUENCE_NUMBER") return;
      throw error;
    }
    throw new Broken(sequencesWithoutGap, `producer ${producer.id} was forgotten`);
  }

  async #appendWhileCompacting(records: readonly PlannedRecord[]): Promise<void> {
    const beganMs = this.#beginPass();
    let ended = false;
    const running = this.#live.runCompaction().then(() => void (ended = true));
    running.catch(() => {});
    for (const record of records) {
      const from = this.#written.length;
      const nowMs = this.world.wallMs();
      await this.#append([record], false, null);
      // One that comes in time is seen by a later pass of the same run.
      for (let offset = from; offset < this.#written.length; offset++) this.#firstPassMs.set(offset, nowMs);
      this.#lastPassMs = Math.max(this.#lastPassMs, this.world.wallMs());
      await this.#look(true);
    }
    await this.#answer(() => running);
    if (ended) this.#coverage.add("appends while compacting", records.length);
    this.#lastPassMs = Math.max(this.#lastPassMs, beganMs, this.world.wallMs());
    return this.#look();
  }

  async #deleteRecords(percent: number): Promise<void> {
    const before = Math.floor((this.#written.length * percent) / 100);
    if (before <= this.#start) return;
    this.#start = await this.#answer(() => this.#live.deleteRecords(topic, 0, before));
    this.#coverage.add("records deleted");
  }

  #beginPass(): number {
    const nowMs = this.world.wallMs();
    for (const [offset, { value }] of this.#written.entries()) {
      if (value === null && !this.#firstPassMs.has(offset)) this.#firstPassMs.set(offset, nowMs);
    }
    // Whether or not it ends, and however long it takes.
    this.#lastPassMs = Math.max(this.#lastPassMs, nowMs);
    return nowMs;
  }

  async #compact(): Promise<void> {
    const beganMs = this.#beginPass();
    const before = this.world.counts.writes;
    const summary = await this.#answer(() => this.#live.runCompaction());
    this.#coverage.add("passes", summary.passes);
    this.#coverage.add("passes beyond the first of a run", Math.max(0, summary.passes - 1));
    this.#coverage.add("records taken", summary.recordsRemoved);
    this.#coverage.add("segments merged", Math.max(0, summary.segmentsBefore - summary.segmentsAfter));
    this.#coverage.add("segments split", Math.max(0, summary.segmentsAfter - summary.segmentsBefore));
    this.#coverage.add("writes of compactions", this.world.counts.writes - before);
    this.#lastPassMs = Math.max(this.#lastPassMs, this.world.wallMs());
    await this.#demandClean(beganMs);
  }

  /** After a whole run no closed segment holds two records of a key. */
  async #demandClean(beganMs: number): Promise<void> {
    const bases = (await this.#files(/^\d{20}\.log$/)).map((name) => Number(name.slice(0, 20)));
    const activeBase = Math.max(...bases);
    const seen = new Map<string, number>();
    for (const { offset, key } of await this.#readAll()) {
      if (offset >= activeBase) break;
      const earlier = seen.get(key);
      // What lies below the start of a segment that is kept is nobody's business.
      if (earlier !== undefined) {
        throw new Broken(oneRecordAKey, `${key} at ${earlier} and ${offset}, below ${activeBase}`);
      }
      seen.set(key, offset);
    }
    for (const [offset, { value }] of this.#written.entries()) {
      if (value === null && offset < activeBase && !this.#surelySeenMs.has(offset)) {
        this.#surelySeenMs.set(offset, this.world.wallMs());
      }
    }
    this.#expired = { beganMs, activeBase };
  }

  #expired: { readonly beganMs: number; readonly activeBase: number } | null = null;

  // ---- what a reader sees ------------------------------------------------------------------

  async #readAll(
    from = this.#start,
  ): Promise<{ offset: number; key: string; value: string | null; timestamp: number }[]> {
    const records: { offset: number; key: string; value: string | null; timestamp: number }[] = [];
    const { latest } = this.#live.offsets(topic, 0);
    for (let offset = from; offset < latest; ) {
      const at = offset;
      const fetched = await this.#answer(() =>
        this.#live.fetchRecords(topic, 0, { offset: at, maxBytes: 1 + (at % 7) * 100 }),
      );
      for (const record of fetched.records) {
        const { key, value } = record;
        records.push({
          offset: record.offset,
          timestamp: record.timestamp,
          key: key === null ? "none" : new TextDecoder().decode(key),
          value: value === null ? null : valueName(value),
        });
      }
      if (fetched.nextOffset <= offset) throw new Broken(progress, `stuck at ${offset} of ${latest}`);
      offset = fetched.nextOffset;
    }
    return records;
  }

  /** Reads everything and compares. Under a pass a record may go between two reads, and none may come. */
  async #look(isUnderPass = false): Promise<void> {
    this.#start = this.#live.offsets(topic, 0).earliest;
    const { latest } = this.#live.offsets(topic, 0);
    const unknown = this.#unknown;
    if (unknown !== null) {
      if (latest === this.#written.length + unknown.records.length) this.#adopt(latest - 1);
      else this.#unknown = null;
    }
    if (latest !== this.#written.length) {
      throw new Broken(nothingPromisedIsLost, `the log ends at ${latest}, not at ${this.#written.length}`);
    }
    const records = await this.#readAll();
    this.#compare(records);
    // From the middle of nowhere the same comes.
    const from = this.#start + Math.floor((latest - this.#start) * 0.4);
    const rest = await this.#readAll(from);
    const expected = records.filter(({ offset }) => offset >= from);
    const later = isUnderPass ? await this.#readAll(from) : expected;
    if (!holds(expected, rest) || !holds(rest, later)) {
      throw new Broken(oneOffsetOneValue, `from ${from}: ${rest.length}, not ${expected.length} records`);
    }
    await this.#lookUp(records, isUnderPass);
    this.#coverage.add("looks");
  }

  #compare(records: readonly { offset: number; key: string; value: string | null; timestamp: number }[]): void {
    const present = new Map<number, (typeof records)[number]>();
    let last = -1;
    for (const record of records) {
      const { offset } = record;
      if (offset <= last) throw new Broken(compactionKeepsOrder, `${offset} behind ${last}`);
      last = offset;
      const written = this.#written[offset];
      const isSame =
        written !== undefined &&
        written.key === record.key &&
        written.value === record.value &&
        written.timestamp === record.timestamp;
      if (!isSame) {
        throw new Broken(
          compactionKeepsOrder,
          `offset ${offset} is ${JSON.stringify(record)}, written was ${JSON.stringify(written)}`,
        );
      }
      if (this.#gone.has(offset)) throw new Broken(compactionKeepsOrder, `offset ${offset} is back`);
      present.set(offset, record);
    }
    const latest = new Map<string, number>();
    for (const [offset, { key }] of this.#written.entries()) latest.set(key, offset);
    for (let offset = this.#start; offset < this.#written.length; offset++) {
      const { key, value } = this.#written[offset] as Written;
      const newest = latest.get(key) as number;
      if (present.has(offset)) {
        // An older value without the tombstone that ended it: a reader would take it for good.
        if (newest !== offset && !present.has(newest)) {
          throw new Broken(latestOfAKeySurvives, `${key}: offset ${offset} is there, and the later ${newest} is not`);
        }
        continue;
      }
      this.#gone.add(offset);
      if (newest !== offset) continue;
      if (value !== null) throw new Broken(latestOfAKeySurvives, `${key} at ${offset} is gone`);
      const seenMs = this.#firstPassMs.get(offset) ?? Number.POSITIVE_INFINITY;
      if (this.#lastPassMs < seenMs + this.#retentionMs) {
        throw new Broken(
          tombstonesOutliveTheirTime,
          `${key} at ${offset} was seen at ${seenMs} and is gone after a pass at ${this.#lastPassMs}`,
        );
      }
      this.#coverage.add("tombstones gone");
    }
  }

  /** By time: the first record there is at or after it. */
  async #lookUp(records: readonly { offset: number; timestamp: number }[], isUnderPass: boolean): Promise<void> {
    const middle = records[records.length >> 1];
    if (middle === undefined) return;
    for (const timestamp of [middle.timestamp, middle.timestamp + 1]) {
      const found = await this.#answer(() => this.#live.offsetForTimestamp(topic, 0, timestamp));
      const there = records.filter((record) => record.timestamp >= timestamp).map(({ offset }) => offset);
      const at = found.offset === null ? there.length : there.indexOf(found.offset);
      const passedOver = there.slice(0, Math.max(0, at));
      // What came before it may have gone meanwhile.
      const after = isUnderPass && passedOver.length > 0 ? await this.#readAll() : records;
      if (at < 0 || after.some(({ offset }) => passedOver.includes(offset))) {
        const expected = there[0] ?? null;
        throw new Broken(lookUpByTime, `${timestamp}: ${found.offset}, not ${expected}`);
      }
    }
  }

  // ---- the end -----------------------------------------------------------------------------

  /** Time passes, and more is written: every tombstone that compaction has reached goes. */
  async #settle(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      for (let filler = 0; filler < 3; filler++) await this.#append([{ key: 100 + filler, size: 260 }], false, null);
      await this.#compact();
      await this.#look();
      this.world.wallOffsetMs += this.#retentionMs + 10_000;
    }
    const { beganMs, activeBase } = this.#expired as { beganMs: number; activeBase: number };
    const present = new Set((await this.#readAll()).map(({ offset }) => offset));
    for (const [offset, seenMs] of this.#surelySeenMs) {
      if (offset < this.#start || offset >= activeBase || seenMs + this.#retentionMs > beganMs) continue;
      if (present.has(offset)) {
        const { key } = this.#written[offset] as Written;
        throw new Broken(passedTombstonesGo, `${key} at ${offset}, seen at ${seenMs}, is there at ${beganMs}`);
      }
    }
    for (const producer of this.#producers) await this.#retry(producer);
  }
}

/** Whether what was read later is what was read before, or a part of it in the same order. */
function holds(before: readonly { readonly offset: number }[], later: readonly { readonly offset: number }[]): boolean {
  const known = new Map(before.map((record) => [record.offset, JSON.stringify(record)]));
  return later.every((record, at) => {
    const isBehind = at === 0 || record.offset > (later[at - 1] as { readonly offset: number }).offset;
    return isBehind && known.get(record.offset) === JSON.stringify(record);
  });
}

// ---- batches -------------------------------------------------------------------------------

function encoded(
  written: readonly Written[],
  planned: readonly PlannedRecord[],
  packed: boolean,
  producer: Pick<Producer, "id" | "nextSequence"> | null,
): Uint8Array {
  const bytes = kernel
    .encodeBatch(
      written.map(({ key, value, timestamp }, at) => ({
        key: encoder.encode(key),
        value: value === null ? null : valueBytes(value, planned[at]?.size ?? 0),
        headers: [],
        timestamp,
      })),
      producer === null ? {} : { producerId: producer.id, producerEpoch: 0, baseSequence: producer.nextSequence },
    )
    .slice();
  if (!packed) return bytes;
  const records = pack(bytes.subarray(61));
  const batch = new Uint8Array(61 + records.length);
  batch.set(bytes.subarray(0, 61));
  batch.set(records, 61);
  const view = new DataView(batch.buffer);
  view.setInt32(8, batch.length - 12);
  view.setInt16(21, 1);
  view.setUint32(17, kernel.crc32c(batch.subarray(21)));
  return batch;
}

/** Runs of one byte: what is padded becomes a tenth of itself. */
function pack(bytes: Uint8Array): Uint8Array {
  const pairs: number[] = [];
  for (const byte of bytes) {
    const at = pairs.length - 2;
    if (at >= 0 && pairs[at + 1] === byte && (pairs[at] as number) < 255) (pairs[at] as number)++;
    else pairs.push(1, byte);
  }
  return Uint8Array.from(pairs);
}

function unpacked(bytes: Uint8Array, maxBytes: number): Uint8Array {
  let sizeBytes = 0;
  for (let at = 0; at < bytes.length; at += 2) sizeBytes += bytes[at] as number;
  if (sizeBytes > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
  const records = new Uint8Array(sizeBytes);
  let position = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    records.fill(bytes[at + 1] as number, position, position + (bytes[at] as number));
    position += bytes[at] as number;
  }
  return records;
}
