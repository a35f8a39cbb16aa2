// What a topic's configuration is, from the files of a data folder that no broker has open.
//
// Owns: the way from the newest metadata journal to one topic's values.
// Never: judges the folder (verify-data-folder.ts), or writes.

import type { Kernel } from "../../kernel/kernel.ts";
import type { Storage } from "../../port/storage.ts";
import { StorageError } from "../../port/storage.ts";
import { readFile } from "../../storage/read-file.ts";
import { resolveConfig } from "../configs.ts";
import { metadataFolderName } from "../data-folder.ts";
import { journalName, parseJournalName, readJournal } from "../metadata-journal.ts";

export const maxJournalBytes: number = 512 * 1024 * 1024;

/** The generation that counts; -1 when the names hold no journal. */
export function newestGeneration(names: readonly string[]): number {
  return names.reduce((most, name) => Math.max(most, parseJournalName(name) ?? -1), -1);
}

/**
 * A topic's index.interval.bytes; null where the folder has no metadata or they don't name the topic.
 * Throws DATA_FOLDER_UNUSABLE where the journal is damaged.
 */
export async function readIndexInterval(storage: Storage, kernel: Kernel, topic: string): Promise<number | null> {
  const newest = newestGeneration(await journalNames(storage));
  if (newest < 0) return null;
  const path = `${metadataFolderName}/${journalName(newest)}`;
  const bytes = await readFile(storage, path, maxJournalBytes);
  if (bytes === null) return null;
  const meta = readJournal(bytes, path, kernel).image.topics.get(topic);
  return meta === undefined ? null : resolveConfig(meta.configs).indexIntervalBytes;
}

async function journalNames(storage: Storage): Promise<string[]> {
  try {
    return (await storage.list(metadataFolderName)).map(({ name }) => name);
  } catch (error) {
    if (error instanceof StorageError && error.kind === "not-found") return [];
    throw error;
  }
}
