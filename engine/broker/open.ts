// Opens a broker: recovers the data folder, and hands out the engine's face when it may be used.
//
// Owns: the order of a start: the folder, the metadata, every partition, a new leader epoch, and
//   last the end of the clean-shutdown marker, before anything can be appended.
// Never: serves.

import { MoldauError } from "../errors.ts";
import { tailCacheBytes } from "../limits.ts";
import { type Storage, StorageError } from "../port/storage.ts";
import { EngineBroker } from "./broker.ts";
import { zeroCounters } from "./counters.ts";
import { openDataFolder, removeCleanMarker } from "./data-folder.ts";
import { MetadataStore } from "./metadata.ts";
import { Timers } from "./timers.ts";
import { Topics } from "./topics.ts";
import type { Broker, BrokerOptions, RecoveryReport } from "./types.ts";

/**
 * Recovers before it resolves; `report` says what it found. Rejects with DATA_FOLDER_UNUSABLE
 * when the folder is another program's, of a newer format, damaged in its metadata, or cannot be
 * written; the storage is closed then.
 */
export async function openBroker(options: BrokerOptions): Promise<Broker> {
  try {
    return await open(options);
  } catch (error) {
    await closeQuietly(options.storage);
    if (error instanceof StorageError) {
      throw new MoldauError("DATA_FOLDER_UNUSABLE", `the data folder cannot be used: ${error.message}`, {
        cause: error,
      });
    }
    throw error;
  }
}

async function open(options: BrokerOptions): Promise<Broker> {
  const { storage, kernel, clock, entropy, logger, durability = "sync" } = options;
  const started = clock.monotonic();
  const data = await openDataFolder(storage, entropy);
  const metadata = await MetadataStore.open(storage, kernel, clock, logger);
  const counters = zeroCounters();
  const timers = new Timers(clock);
  const topics = new Topics({
    storage,
    kernel,
    clock,
    entropy,
    logger,
    decompressor: options.decompressor,
    timers,
    counters,
    durability,
    metadata,
    tailCacheBytes: options.tailCacheBytes ?? tailCacheBytes,
  });
  await topics.open(data);
  await removeCleanMarker(storage);
  for (const note of data.notes) logger.log("warn", note);
  const { findings } = topics;
  const report: RecoveryReport = {
    cleanShutdown: data.clean,
    topics: topics.size,
    partitions: [...topics.partitions()].length,
    offlinePartitions: findings.offlinePartitions,
    truncatedBytes: findings.truncatedBytes,
    rebuiltIndexes: findings.rebuiltIndexes,
    durationMs: clock.monotonic() - started,
    notes: [...data.notes, ...findings.notes],
  };
  const broker = new EngineBroker({
    ...{ options, data, durability, metadata, counters, timers, topics, report },
    hasCleanedFile: data.hasCleanedFile,
  });
  await broker.begin();
  return broker;
}

async function closeQuietly(storage: Storage): Promise<void> {
  try {
    await storage.close();
  } catch {
    // The first error is the one to tell.
  }
}
