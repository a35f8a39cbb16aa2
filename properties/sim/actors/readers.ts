// Readers that follow a log with a cursor.
//
// Owns: the cursor, that a reader comes to the end of its log once all is healed, and what a slow peer sees
//   of bytes that are lent to him.
// Never: believes bytes: whoever reads batches checks their checksum, as clients do.

import type { ReadRecord } from "../../history.ts";
import { type BatchSeen, batchesOf, readRecord, recordsOf } from "../../records.ts";
import { type Broker, type FetchedPartition, kernel, MoldauError } from "../../subject.ts";
import type { Answer } from "../client.ts";
import type { ActorWorld, LogPlace } from "./actor.ts";

export interface ReaderTraits {
  readonly name: string;
  readonly log: LogPlace;
  readonly everyMs: number;
  readonly maxWaitMs: number;
  readonly limit: number;
  /** Record batches as they lie, else records. */
  readonly raw: boolean;
  /** Raw bytes are lent, and given back after about so long: what a socket does that is slow. */
  readonly holdMs?: number;
  /** What others fetch meanwhile. */
  readonly neighbours: readonly LogPlace[];
}

/** How a page is read. */
interface Manner extends Pick<ReaderTraits, "raw" | "limit" | "maxWaitMs"> {
  /** Told of each batch, when batches are read. */
  readonly seen?: (batch: BatchSeen) => void;
  /** Takes the bytes, and gives them back some time: they are lent then. */
  readonly hold?: (fetched: FetchedPartition) => void;
}

interface Page {
  readonly records: readonly ReadRecord[];
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly nextOffset: number;
}

interface OutOfRange {
  readonly error: MoldauError;
  readonly earliest: number;
  readonly latest: number;
}

/** The bytes of a fetch, checked as a client checks them. */
export function checkedRecords(bytes: Uint8Array, from: number): ReadRecord[] {
  for (const { position, sizeBytes } of batchesOf(bytes)) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + position, sizeBytes);
    if (kernel.crc32c(bytes.subarray(position + 21, position + sizeBytes)) !== view.getUint32(17))
      throw new MoldauError("CORRUPT_MESSAGE", "the client finds a checksum that does not match", { effect: "none" });
  }
  return recordsOf(bytes).filter(({ offset }) => offset >= from);
}

export async function fetchPage(
  broker: Broker,
  log: LogPlace,
  from: number,
  { raw, limit, maxWaitMs, seen, hold }: Manner,
): Promise<Page> {
  // Our own reader of batches knows neither keys nor headers.
  if (!raw || log.compacted) {
    const { records, ...rest } = await broker.fetchRecords(log.topic, log.partition, {
      offset: from,
      limit,
      maxWaitMs,
    });
    return { ...rest, records: records.map(readRecord) };
  }
  const [fetched] = await broker.fetchBatches(
    [{ topic: log.topic, partition: log.partition, offset: from, maxBytes: limit * 50 }],
    { maxWaitMs, ...(hold === undefined ? {} : { pooled: true }) },
  );
  if (fetched === undefined || fetched.error !== undefined) throw fetched?.error ?? new Error("no answer");
  hold?.(fetched);
  if (seen !== undefined) batchesOf(fetched.bytes).forEach(seen);
  const { bytes, logStartOffset, highWatermark, nextOffset } = fetched;
  return { records: checkedRecords(bytes, from), logStartOffset, highWatermark, nextOffset };
}

/** Looks once more at what was lent before giving it back, when others have fetched from the same memory. */
function keep(
  { client, recorder }: ActorWorld,
  { log, holdMs = 0, neighbours }: ReaderTraits,
  broker: Broker,
  from: number,
  { bytes, release }: FetchedPartition,
): void {
  if (bytes.length === 0) return release();
  const expected = bytes.slice();
  const { life } = recorder;
  const asked = neighbours.map(({ topic, partition }) => ({ topic, partition, offset: 0 }));
  broker.fetchBatches(asked, { pooled: true }).then(
    (parts) => {
      for (const part of parts) part.release();
    },
    () => {},
  );
  void client.pause(holdMs).then(() => {
    // The memory of a process ends with it.
    if (recorder.life !== life) return;
    const intact = bytes.every((byte, at) => byte === expected[at]);
    recorder.push({ kind: "lent", log: log.name, from, intact });
    release();
  });
}

/** Reads on and on; after healing until it has everything. */
export async function cursorReader(world: ActorWorld, traits: ReaderTraits): Promise<void> {
  const { client, recorder, coverage } = world;
  const { name, log } = traits;
  let cursor: number | null = null;
  for (;;) {
    const healed = world.isHealed();
    if (healed && world.isDamaged(log.name)) return;
    await (healed ? client.sleep(20) : client.pause(traits.everyMs));
    if (cursor === null) {
      const start = await client.ask("offsets", async (broker) => broker.offsets(log.topic, log.partition));
      if (start.outcome === "fail" && start.code === "UNKNOWN_TOPIC_OR_PARTITION") return;
      if (start.outcome !== "ok") continue;
      cursor = start.value.earliest;
    }
    const from: number = cursor;
    const invokedAt = recorder.now;
    client.begins();
    const answer: Answer<Page | OutOfRange> = await client.ask(
      `read by ${name} of ${log.name}`,
      // Where the log stands belongs to a refusal for being out of range.
      async (broker): Promise<Page | OutOfRange> => {
        try {
          const hold =
            traits.holdMs === undefined
              ? {}
              : { hold: (lent: FetchedPartition) => keep(world, traits, broker, from, lent) };
          return await fetchPage(broker, log, from, { ...traits, ...hold, maxWaitMs: healed ? 0 : traits.maxWaitMs });
        } catch (error) {
          if (!(error instanceof MoldauError) || error.code !== "OFFSET_OUT_OF_RANGE") throw error;
          return { error, ...broker.offsets(log.topic, log.partition) };
        }
      },
      { timeoutMs: 1500 + traits.maxWaitMs },
    );
    if (answer.outcome !== "ok") {
      coverage.add(`reads without a page (${answer.code})`);
      if (answer.code === "UNKNOWN_TOPIC_OR_PARTITION") return;
      continue;
    }
    const page = answer.value;
    const shared = { kind: "read", process: name, log: log.name, manner: "cursor", from } as const;
    if ("error" in page) {
      recorder.push(
        {
          ...{ ...shared, outcome: "fail", code: "OFFSET_OUT_OF_RANGE", records: [] },
          ...{ logStartOffset: page.earliest, highWatermark: page.latest, nextOffset: from },
        },
        invokedAt,
      );
      cursor = null;
      continue;
    }
    recorder.push({ ...shared, outcome: "ok", ...page }, invokedAt);
    cursor = page.nextOffset;
    if (healed && cursor >= page.highWatermark) return;
  }
}
