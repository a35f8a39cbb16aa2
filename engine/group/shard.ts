// The groups of one partition of __consumer_offsets, in memory.
//
// Owns: reading them from the log before anybody asks, and their way back into it.
// Never: steps of a group (classic-group.ts, consumer-group.ts), or requests (coordinator.ts).
//
// Invariants: nobody sees a shard before all of its log up to the high watermark is read, and
//   nothing of ours is on its way into it meanwhile. When a consumer group's records could not be
//   written, memory is ahead of the log: the shard is put down and read again.

import { MoldauError, toMoldauError } from "../errors.ts";
import { maxPendingGroupAppends, offsetBatchBytes } from "../limits.ts";
import { ClassicGroup } from "./classic-group.ts";
import { ConsumerGroup } from "./consumer-group.ts";
import { type GroupEnvironment, refusal } from "./environment.ts";
import { Group } from "./group.ts";
import { type Done, Journal } from "./journal.ts";
import type { OffsetCount } from "./offset-table.ts";
import { encodeKey } from "./record-keys.ts";
import { type GroupImage, Replay } from "./replay.ts";
import type { GroupRecord, GroupsContext } from "./types.ts";

/** What all shards have in common. */
export interface ShardParts {
  readonly context: GroupsContext;
  readonly environment: Omit<GroupEnvironment, "persist">;
  readonly offsetCount: OffsetCount;
  /** How many groups there are in all shards. */
  readonly groupCount: { total: number };
}

export class Shard {
  readonly partition: number;
  readonly groups: Map<string, Group> = new Map();
  readonly #parts: ShardParts;
  readonly #journal: Journal;
  readonly #classic: GroupEnvironment;
  readonly #consumer: GroupEnvironment;
  #loading: Promise<void> | null = null;
  #isReady = false;
  #closed: MoldauError | null = null;

  constructor(partition: number, parts: ShardParts) {
    this.partition = partition;
    this.#parts = parts;
    this.#journal = new Journal(parts.context.log, partition);
    this.#classic = { ...parts.environment, persist: (records, done) => this.#journal.append(records, done) };
    this.#consumer = { ...parts.environment, persist: (records, done) => this.persistOrPutDown(records, done) };
  }

  /** Resolves when the groups are there. `topics`: those that existed when this broker began. */
  ready(topics?: ReadonlySet<string>): Promise<void> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    this.#loading ??= this.#load(topics).catch((thrown: unknown) => {
      // Whoever comes next tries again.
      this.#loading = null;
      throw loadFailure(thrown);
    });
    return this.#loading;
  }

  /** Asked anew after every wait: it may have been put down meanwhile. */
  get isReady(): boolean {
    return this.#isReady;
  }

  async #load(topics: ReadonlySet<string> | undefined): Promise<void> {
    const { context } = this.#parts;
    await this.#journal.settled();
    const replay = new Replay();
    for await (const records of context.log.read(this.partition)) for (const record of records) replay.apply(record);
    if (this.#closed !== null) throw this.#closed;
    if (replay.unreadable > 0) {
      context.logger.log(
        "warn",
        `__consumer_offsets-${this.partition}: ${replay.unreadable} records were passed over: ${replay.firstProblem}`,
      );
    }
    for (const [id, image] of replay.groups) this.#restore(id, image);
    this.#isReady = true;
    this.#dropDeletedTopics(topics);
  }

  #restore(id: string, image: GroupImage): void {
    const group = this.create(id);
    for (const [topic, partitions] of image.offsets) {
      for (const [partition, offset] of partitions) group.offsets.set(topic, partition, offset);
    }
    if (image.consumer !== null) {
      group.machine = ConsumerGroup.restore(id, this.#consumer, image.consumer, image.changedAt);
    } else if (image.classic !== null) group.machine = ClassicGroup.restore(id, this.#classic, image.classic);
  }

  /** A crash may have come between a topic's end and that of its offsets. */
  #dropDeletedTopics(known: ReadonlySet<string> | undefined): void {
    const { topics } = this.#parts.context;
    const exists = (topic: string): boolean =>
      (known === undefined || known.has(topic)) && topics.find(topic) !== undefined;
    for (const group of this.groups.values()) {
      const gone = group.offsets.keys().filter(([topic]) => !exists(topic));
      for (const [topic, partition] of gone) group.offsets.delete(topic, partition);
      void this.deleteOffsets(group, gone).catch(() => {});
    }
  }

  find(id: string): Group | undefined {
    return this.groups.get(id);
  }

  create(id: string): Group {
    const group = new Group(id, this.#parts.offsetCount);
    this.groups.set(id, group);
    this.#parts.groupCount.total += 1;
    return group;
  }

  createClassic(id: string): ClassicGroup {
    return new ClassicGroup(id, this.#classic);
  }

  createConsumer(id: string): ConsumerGroup {
    return new ConsumerGroup(id, this.#consumer);
  }

  /** Forgets a group of which nothing is left. */
  forgetIfUnused(group: Group): void {
    const { machine, offsets } = group;
    if (machine !== null || !offsets.isUnused || this.groups.get(group.id) !== group) return;
    this.groups.delete(group.id);
    this.#parts.groupCount.total -= 1;
  }

  // ---- the way into the log ----------------------------------------------------------------

  /** COORDINATOR_NOT_AVAILABLE while too much is under way. */
  requireRoom(): void {
    if (this.#journal.length < maxPendingGroupAppends) return;
    throw refusal(
      "COORDINATOR_NOT_AVAILABLE",
      `${this.#journal.length} changes of groups wait for the disk: try again`,
    );
  }

  /** `done` hears the end, in the order of the log. */
  append(records: readonly GroupRecord[], done: Done): void {
    this.#journal.append(records, done);
  }

  /** For what has changed memory already. */
  persistOrPutDown(records: readonly GroupRecord[], done: Done): void {
    this.#journal.append(records, (failure) => {
      if (failure !== null) this.#putDown(failure);
      done(failure);
    });
  }

  #putDown(failure: MoldauError): void {
    if (this.#closed !== null || !this.#isReady) return;
    const { logger } = this.#parts.context;
    logger.log("warn", `the groups of __consumer_offsets-${this.partition} are read again: ${failure.message}`);
    this.#dissolve(refusal("NOT_COORDINATOR", "the group is read again from the log: try again"));
    this.#isReady = false;
    this.#loading = null;
  }

  #dissolve(why: MoldauError): void {
    for (const group of this.groups.values()) {
      group.dissolve(why);
      group.offsets.clear();
    }
    this.#parts.groupCount.total -= this.groups.size;
    this.groups.clear();
  }

  /** Removes these offsets from the log and then from memory. */
  async deleteOffsets(group: Group, keys: readonly (readonly [string, number])[]): Promise<void> {
    let chunk: [string, number][] = [];
    let sizeBytes = 0;
    const chunks: Promise<void>[] = [];
    for (const [topic, partition] of keys) {
      chunk.push([topic, partition]);
      sizeBytes += 3 * (group.id.length + topic.length) + 64;
      if (sizeBytes < offsetBatchBytes) continue;
      chunks.push(this.#deleteChunk(group, chunk));
      chunk = [];
      sizeBytes = 0;
    }
    if (chunk.length > 0) chunks.push(this.#deleteChunk(group, chunk));
    await Promise.all(chunks);
  }

  #deleteChunk(group: Group, keys: readonly [string, number][]): Promise<void> {
    const records = keys.map(([topic, partition]) => ({
      key: encodeKey({ kind: "offset", group: group.id, topic, partition }),
      value: null,
    }));
    return new Promise((resolve, reject) => {
      this.append(records, (failure) => {
        if (failure !== null) {
          reject(failure);
          return;
        }
        for (const [topic, partition] of keys) group.offsets.delete(topic, partition);
        this.forgetIfUnused(group);
        resolve();
      });
    });
  }

  /** Ends all waits; nothing begins any more. */
  close(why: MoldauError): void {
    this.#closed = why;
    this.#isReady = false;
    this.#dissolve(why);
  }
}

function loadFailure(thrown: unknown): MoldauError {
  const error = toMoldauError(thrown);
  if (error.code === "BROKER_CLOSED") return error;
  return new MoldauError("COORDINATOR_NOT_AVAILABLE", `the groups cannot be read: ${error.message}`, { cause: error });
}
