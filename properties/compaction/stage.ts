// The broker of a compacted topic: one life after another on the same disk.
//
// Owns: how a life begins and ends, what a start must find, and that nobody waits for ever.
// Never: writes to the topic, or reads it.

import { progress } from "../checker/durability.ts";
import { foundWhole } from "../checker/recovery.ts";
import type { Coverage } from "../coverage.ts";
import { smallMaps } from "../small-maps.ts";
import { type Broker, kernel, limits, openBroker, verifyDataFolder } from "../subject.ts";
import { World } from "../world.ts";
import { decompressor } from "./batches.ts";
import { Broken } from "./broken.ts";
import type { CompactionPlan, LostFiles } from "./plan.ts";

export const topic = "t";
const folder = `${topic}-0`;
const answerLimitMs = 600_000;

/** Power went while something was awaited. */
export class PowerLost extends Error {}

export class Stage {
  readonly world: World;
  readonly coverage: Coverage;
  readonly #mapKeys: number;
  #broker: Broker | null = null;

  constructor({ seed, mapKeys }: CompactionPlan, coverage: Coverage, crashAtWrites?: readonly number[]) {
    this.coverage = coverage;
    this.#mapKeys = mapKeys;
    this.world = new World({ seed, ...(crashAtWrites === undefined ? {} : { crashAtWrites }) });
  }

  get broker(): Broker {
    if (this.#broker === null) throw new PowerLost();
    return this.#broker;
  }

  async answer<T>(ask: () => Promise<T>): Promise<T> {
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

  // ---- lives -------------------------------------------------------------------------------

  /** Power goes at that write of the start; never when 0. */
  async open(crashAfter = 0): Promise<void> {
    const storage = this.world.begin();
    if (crashAfter > 0) this.world.crashAfter(crashAfter);
    this.#broker = await this.answer(() =>
      openBroker({
        ...{ storage, decompressor, kernel: { ...kernel, openOffsetMap: smallMaps(this.#mapKeys) } },
        ...{ clock: this.world.clock(), entropy: this.world.entropy, logger: this.world.logger },
        retentionCheckIntervalMs: Number.POSITIVE_INFINITY,
        compactionCheckIntervalMs: Number.POSITIVE_INFINITY,
        fetchPoolBytes: limits.maxRunBytes,
      }),
    );
    this.world.crashAfter(Number.POSITIVE_INFINITY);
    const { offlinePartitions, notes } = this.#broker.report;
    if (offlinePartitions > 0) throw new Broken(foundWhole, notes.join("; "));
    if (notes.some((note) => note.includes("completed a compaction"))) this.coverage.add("swaps completed by a start");
    const left = await this.#files(/\.(cleaned|swap|deleted)$/);
    if (left.length > 0) throw new Broken(foundWhole, left.join(", "));
  }

  async losePower(): Promise<void> {
    this.#broker = null;
    this.coverage.add("crashes");
    if (this.world.crashed !== null && /\.(swap|cleaned|deleted)/.test(this.world.crashed.what)) {
      this.coverage.add("crashes in a swap");
    }
    await this.world.losePower();
  }

  async close(): Promise<void> {
    await this.answer(() => this.broker.close());
    this.#broker = null;
    await this.world.endProcess();
    await this.#verify();
  }

  /** What `moldau log verify` says of a folder that a stop in order has left. */
  async #verify(): Promise<void> {
    await this.#outside(async () => {
      for await (const { severity, kind, file, message } of verifyDataFolder({
        ...{ storage: this.world.disk, kernel, decompressor },
      })) {
        if (severity === "note") continue;
        throw new Broken(foundWhole, `${severity} ${kind} ${file}: ${message}`);
      }
    });
    this.coverage.add("folders verified");
  }

  // ---- files -------------------------------------------------------------------------------

  async lose(without: readonly LostFiles[]): Promise<void> {
    const { disk } = this.world;
    if (without.includes("cleaner")) {
      await this.#outside(() => disk.remove("cleaner-offset-checkpoint").catch(() => {}));
    }
    const patterns = [
      ...(without.includes("snapshots") ? [/\.snapshot$/] : []),
      ...(without.includes("indexes") ? [/\.(time)?index$/] : []),
    ];
    for (const pattern of patterns) {
      for (const name of await this.#files(pattern)) await this.#outside(() => disk.remove(`${folder}/${name}`));
    }
    for (const what of without) this.coverage.add(`restarts without ${what}`);
  }

  /** Where the active segment begins. */
  async activeBase(): Promise<number> {
    const names = await this.#files(/^\d{20}\.log$/);
    return Math.max(...names.map((name) => Number(name.slice(0, 20))));
  }

  async #files(pattern: RegExp): Promise<string[]> {
    const entries = await this.#outside(() => this.world.disk.list(folder).catch(() => []));
    return entries.map(({ name }) => name).filter((name) => pattern.test(name));
  }

  /** Looks at the disk, or changes it, as nobody's operation. */
  async #outside<T>(look: () => Promise<T>): Promise<T> {
    this.world.looking = true;
    try {
      return await look();
    } finally {
      this.world.looking = false;
    }
  }
}
