// A data folder as a broker leaves it, as bytes: to be damaged and looked at.
//
// Owns: writing one through the engine, by a plan, and what was acknowledged meanwhile; turning
//   a store into an image of its files and back.
// Never: damages (damage.ts), or judges.

import fc from "fast-check";
import { draw, type Random } from "./random.ts";
import { type Broker, type Clock, kernel, type Logger, memoryStorage, openBroker, type Storage } from "./subject.ts";
import { VirtualTime } from "./world.ts";

/** Files by path. */
export type Image = ReadonlyMap<string, Uint8Array>;

export interface FolderPlan {
  readonly seed: number;
  readonly partitions: readonly number[];
  readonly batches: number;
  readonly segmentBytes: number;
  readonly indexIntervalBytes: number;
  /** The broker is opened so many times in all, each time with a new leader epoch. */
  readonly lives: number;
  /** How the last life ends. `killed late`: after the recovery point caught up. */
  readonly end: "closed" | "killed" | "killed late";
  readonly deletes: boolean;
}

export const folderPlans: fc.Arbitrary<FolderPlan> = fc.record({
  seed: fc.nat(2 ** 31 - 1),
  partitions: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 1, maxLength: 3 }),
  batches: fc.integer({ min: 4, max: 70 }),
  segmentBytes: fc.constantFrom(600, 1500, 4000, 1_000_000),
  indexIntervalBytes: fc.constantFrom(0, 120, 500),
  lives: fc.integer({ min: 1, max: 3 }),
  end: fc.constantFrom("closed", "closed", "killed", "killed late"),
  deletes: fc.boolean(),
});

export interface Written {
  readonly timestamp: number;
  readonly value: string;
}

export interface Folder {
  readonly image: Image;
  readonly clean: boolean;
  /** By partition folder: what was acknowledged, by offset. */
  readonly records: ReadonlyMap<string, ReadonlyMap<number, Written>>;
  readonly nowMs: number;
}

const silent: Logger = { log: () => {} };
const text = new TextDecoder();

export interface Opened {
  readonly broker: Broker;
  readonly time: VirtualTime;
}

/** One more broker on a store; rejects with what it refuses to open for. Chance is the seed's. */
export async function openOn(storage: Storage, seed: number, time: VirtualTime): Promise<Opened> {
  const random = draw(seed, "entropy");
  const broker = await settled(
    time,
    openBroker({
      storage,
      kernel,
      decompressor: toyCodec,
      clock: clockOf(time),
      entropy: { fill: (bytes) => random.fill(bytes) },
      logger: silent,
    }),
  );
  return { broker, time };
}

export function clockOf(time: VirtualTime): Clock {
  return {
    now: () => 1_700_000_000_000 + time.nowMs,
    monotonic: () => time.nowMs,
    schedule: (delayMs, run) => time.schedule(delayMs, run),
  };
}

/** Lets time pass until a promise is settled; throws when a minute does not do. */
export async function settled<T>(time: VirtualTime, promise: Promise<T>): Promise<T> {
  let isOver = false;
  const watched = promise.then(
    () => void (isOver = true),
    () => void (isOver = true),
  );
  if (!(await time.until(() => isOver, 60_000))) throw new Error("it never comes to an end");
  await watched;
  return promise;
}

/** Writes a folder through the engine. */
export async function writeFolder(plan: FolderPlan): Promise<Folder> {
  const { seed, lives } = plan;
  const time = new VirtualTime(seed);
  const random = draw(seed, "folder");
  const records = new Map<string, Map<number, Written>>();
  const sequences = new Map<string, number>();
  let storage = memoryStorage();
  let clean = false;
  for (let life = 0; life < lives; life++) {
    storage = storage.restart({});
    const { broker } = await openOn(storage, seed + life, time);
    const produce = { plan, broker, time, random, records, sequences };
    if (life === 0) await createTopics(produce);
    for (let batch = 0; batch < Math.ceil(plan.batches / lives); batch++) await writeBatch(produce);
    if (plan.deletes && random.chance(0.5)) await deleteSome(produce);
    clean = plan.end === "closed" || life < lives - 1;
    if (clean) await settled(time, broker.close());
    else if (plan.end === "killed late") await time.pass(2500);
  }
  return { image: await imageOf(storage.restart({})), clean, records, nowMs: time.nowMs };
}

interface Producing {
  readonly plan: FolderPlan;
  readonly broker: Broker;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly records: Map<string, Map<number, Written>>;
  readonly sequences: Map<string, number>;
}

async function createTopics({ plan, broker, time, records }: Producing): Promise<void> {
  const configs = { "segment.bytes": plan.segmentBytes, "index.interval.bytes": plan.indexIntervalBytes };
  for (const [at, partitions] of plan.partitions.entries()) {
    await settled(time, broker.createTopic(`topic${at}`, { partitions, configs }));
    for (let partition = 0; partition < partitions; partition++) records.set(`topic${at}-${partition}`, new Map());
  }
}

async function writeBatch({ broker, time, random, records, sequences }: Producing): Promise<void> {
  const folder = random.pick([...records.keys()]);
  const [topic = "", partition = ""] = folder.split("-");
  const count = 1 + random.below(4);
  const values = Array.from({ length: count }, () => `${folder} ${random.next()} ${"x".repeat(random.below(60))}`);
  const now = 1_700_000_000_000 + time.nowMs;
  const sent = values.map((value) => ({ value, timestamp: now - random.below(500) }));
  const producerId = random.chance(0.5) ? random.below(3) : -1;
  const sequence = sequences.get(`${folder} ${producerId}`) ?? 0;
  if (producerId >= 0) sequences.set(`${folder} ${producerId}`, sequence + count);
  let bytes: Uint8Array = kernel
    .encodeBatch(
      sent.map(({ value, timestamp }) => ({
        key: random.chance(0.3) ? new TextEncoder().encode("key") : null,
        value: new TextEncoder().encode(value),
        headers: [],
        timestamp,
      })),
      producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence: sequence },
    )
    .slice();
  if (random.chance(0.3)) bytes = compressed(bytes);
  const { baseOffset } = await settled(time, broker.appendBatches(topic, Number(partition), bytes));
  for (const [at, one] of sent.entries()) records.get(folder)?.set(baseOffset + at, one);
  await time.pass(random.below(40));
}

async function deleteSome({ broker, time, random, records }: Producing): Promise<void> {
  const folder = random.pick([...records.keys()]);
  const [topic = "", partition = ""] = folder.split("-");
  const { earliest, latest } = broker.offsets(topic, Number(partition));
  const before = earliest + random.below(latest - earliest + 1);
  await settled(time, broker.deleteRecords(topic, Number(partition), before));
}

// ---- a codec of this suite's own ---------------------------------------------------------------

const toyKey = 0x5a;

/** Says "lz4" and means every byte XORed behind a mark: opening can fail, and does on other bytes. */
function compressed(batch: Uint8Array): Uint8Array {
  const payload = batch.subarray(61);
  const bytes = new Uint8Array(batch.length + 1);
  bytes.set(batch.subarray(0, 61));
  bytes[61] = 0xc0;
  bytes.set(
    payload.map((byte) => byte ^ toyKey),
    62,
  );
  const view = new DataView(bytes.buffer);
  view.setInt32(8, bytes.length - 12);
  view.setInt16(21, view.getInt16(21) | 3);
  view.setUint32(17, kernel.crc32c(bytes.subarray(21)));
  return bytes;
}

export const toyCodec = {
  decompress(codec: string, bytes: Uint8Array): Uint8Array {
    if (codec !== "lz4" || bytes[0] !== 0xc0) throw new Error("not this suite's codec");
    return bytes.slice(1).map((byte) => byte ^ toyKey);
  },
};

// ---- images --------------------------------------------------------------------------------

export async function imageOf(storage: Storage, folder = ""): Promise<Map<string, Uint8Array>> {
  const image = new Map<string, Uint8Array>();
  for (const { name, kind } of await storage.list(folder)) {
    const path = folder === "" ? name : `${folder}/${name}`;
    if (kind === "directory") for (const [below, bytes] of await imageOf(storage, path)) image.set(below, bytes);
    if (kind !== "file") continue;
    const file = await storage.open(path);
    const bytes = new Uint8Array(file.sizeBytes);
    await file.read(bytes, 0);
    await file.close();
    image.set(path, bytes);
  }
  return image;
}

/** Writes an image's files into an empty store. */
export async function fill(storage: Storage, image: Image): Promise<void> {
  await storage.list("");
  const made = new Set<string>();
  for (const [path, bytes] of image) {
    const slash = path.lastIndexOf("/");
    const folder = slash < 0 ? "" : path.slice(0, slash);
    if (folder !== "" && !made.has(folder)) await storage.makeDirectory(folder);
    made.add(folder);
    const file = storage.create(path);
    file.append(bytes);
    await file.close();
  }
}

/** Every record that a partition gives, decoded by the engine; what it refuses ends the reading. */
export async function readPartition(
  { broker, time }: Opened,
  topic: string,
  partition: number,
): Promise<{ readonly records: Map<number, Written>; readonly error: unknown }> {
  const records = new Map<number, Written>();
  const { earliest } = broker.offsets(topic, partition);
  let previous = earliest - 1;
  try {
    const reading = (async (): Promise<void> => {
      for await (const { offset, timestamp, value } of broker.read(topic, { partition, from: "earliest" })) {
        if (records.has(offset) || offset <= previous) throw new Error(`offset ${offset} came after ${previous}`);
        previous = offset;
        records.set(offset, { timestamp, value: text.decode(value ?? new Uint8Array(0)) });
      }
    })();
    await settled(time, reading);
    return { records, error: null };
  } catch (error) {
    return { records, error };
  }
}
