// Readers that follow a log with a cursor.
//
// Owns: the cursor, and that a reader comes to the end of its log once all is healed.
// Never: believes bytes: whoever reads batches checks their checksum, as clients do.

import type { ReadRecord } from "../../history.ts";
import { batchesOf, readRecord, recordsOf } from "../../records.ts";
import { type Broker, kernel, MoldauError } from "../../subject.ts";
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
  { raw, limit, maxWaitMs }: Pick<ReaderTraits, "raw" | "limit" | "maxWaitMs">,
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
    { maxWaitMs },
  );
  if (fetched === undefined || fetched.error !== undefined) throw fetched?.error ?? new Error("no answer");
  const { bytes, logStartOffset, highWatermark, nextOffset } = fetched;
  return { records: checkedRecords(bytes, from), logStartOffset, highWatermark, nextOffset };
}

/** Reads on and on; after healing until it has everything. */
export async function cursorReader(world: ActorWorld, traits: ReaderTraits): Promise<void> {
  const { client, recorder, coverage } = world;
  const { name, log } = traits;
  let cursor: number | null = null;
  for (;;) {
    const healed = world.isHealed();
    if (healed && world.isDamaged(log.name)) return;
    await client.sleep(healed ? 20 : traits.everyMs * (0.5 + client.chance().next()));
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
          return await fetchPage(broker, log, from, { ...traits, maxWaitMs: healed ? 0 : traits.maxWaitMs });
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
