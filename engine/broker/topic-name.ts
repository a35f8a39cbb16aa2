// What a topic may be called, and what its partitions' folders are called.
//
// Owns: Kafka's alphabet and its folder names: `events-0`, and `events-0.{hex}-delete` for one
//   that waits to be unlinked.
// Never: says whether a topic exists.
//
// Invariant: parsePartitionFolder(partitionFolder(topic, p)) gives them back, and no partition
// folder is a deleted one (a partition's name ends in its number).

import { MoldauError } from "../errors.ts";
import { maxTopicNameLength } from "../limits.ts";

const maxFolderNameLength = 255;

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** Throws INVALID_TOPIC_EXCEPTION with the rule that the name breaks. */
export function validateTopicName(name: string): void {
  const broken = brokenRule(name);
  if (broken === null) return;
  const shown = name.length > 80 ? `${name.slice(0, 80)}...` : name;
  throw new MoldauError("INVALID_TOPIC_EXCEPTION", `'${shown}' is no topic name: ${broken}`);
}

function brokenRule(name: string): string | null {
  if (name === "") return "it is empty";
  if (name === "." || name === "..") return `'.' and '..' name folders`;
  if (name.length > maxTopicNameLength)
    return `it has ${name.length} characters, at most ${maxTopicNameLength} are allowed`;
  const foreign = /[^a-zA-Z0-9._-]/u.exec(name);
  if (foreign !== null)
    return `${JSON.stringify(foreign[0])} is not among the letters a-z and A-Z, digits, '.', '_' and '-'`;
  return null;
}

export function partitionFolder(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** null when the name is no partition's. */
export function parsePartitionFolder(name: string): TopicPartition | null {
  const parts = /^(.+)-(0|[1-9]\d{0,9})$/.exec(name);
  if (parts === null || brokenRule(parts[1]!) !== null) return null;
  const partition = Number(parts[2]);
  return partition < 2 ** 31 ? { topic: parts[1]!, partition } : null;
}

/** A name for a partition that waits to be unlinked; the topic is cut so that it fits a file system (255). */
export function deletedFolder(topic: string, partition: number, uniqueHex: string): string {
  const suffix = `-${partition}.${uniqueHex}-delete`;
  return topic.slice(0, maxFolderNameLength - suffix.length) + suffix;
}

export function isDeletedFolder(name: string): boolean {
  return /^[a-zA-Z0-9._-]+-\d+\.[0-9a-f]+-delete$/.test(name);
}
