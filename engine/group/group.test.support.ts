// A world for the tests of groups: a clock moved by hand, topics in a map, a log that is held or broken at will.

import { Timers } from "../broker/timers.ts";
import { ManualClock } from "../broker/world.test.support.ts";
import { type ErrorCode, MoldauError } from "../errors.ts";
import { Groups } from "./coordinator.ts";
import type { GroupEnvironment } from "./environment.ts";
import { defaultGroupOptions, type GroupOptions } from "./options.ts";
import type { GroupLog, GroupRecord, StoredGroupRecord, TopicMetadata } from "./types.ts";

export { drain } from "../broker/world.test.support.ts";

export class MemoryGroupLog implements GroupLog {
  readonly stored: StoredGroupRecord[][] = [];
  /** Appends that wait to be durable; null: they are at once. */
  held: { readonly release: () => void; readonly fail: (error: Error) => void }[] | null = null;
  failure: Error | null = null;
  reads = 0;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  partitions(): number {
    return this.stored.length;
  }

  async create(partitions: number): Promise<void> {
    while (this.stored.length < partitions) this.stored.push([]);
  }

  append(partition: number, records: readonly GroupRecord[], done: (failure: unknown) => void): void {
    if (this.failure !== null) {
      done(this.failure);
      return;
    }
    const timestamp = this.#clock.now();
    const store = (): void => {
      this.stored[partition]!.push(...records.map((record) => ({ ...record, timestamp })));
      done(null);
    };
    if (this.held === null) void Promise.resolve().then(store);
    else this.held.push({ release: store, fail: done });
  }

  async *read(partition: number): AsyncGenerator<readonly StoredGroupRecord[], void, void> {
    this.reads += 1;
    yield [...this.stored[partition]!];
  }

  /** Lets what is held become durable, and everything after it at once. */
  release(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const { release } of held) release();
  }
}

export interface GroupWorld {
  readonly clock: ManualClock;
  readonly log: MemoryGroupLog;
  readonly topics: Map<string, TopicMetadata>;
  readonly said: string[];
  groups: Groups;
  /** The same log, another broker. */
  restart(): void;
  createTopic(name: string, partitions: number): TopicMetadata;
}

let topicNumber = 0;

export function createGroupWorld(options: Partial<GroupOptions> = {}): GroupWorld {
  const clock = new ManualClock();
  const log = new MemoryGroupLog(clock);
  const topics = new Map<string, TopicMetadata>();
  const said: string[] = [];
  let chance = 7;
  const open = (): Groups => {
    const groups = new Groups({
      ...{ clock, log },
      timers: new Timers(clock),
      entropy: {
        fill: (bytes) => {
          for (let at = 0; at < bytes.length; at += 1) bytes[at] = (chance = (chance * 16807) % 2147483647) >>> 8;
        },
      },
      logger: { log: (level, message) => void said.push(`${level}: ${message}`) },
      topics: { find: (name) => topics.get(name), all: () => topics.values() },
      options: { ...defaultGroupOptions, offsetsTopicPartitions: 3, ...options },
    });
    groups.begin();
    return groups;
  };
  const world: GroupWorld = {
    ...{ clock, log, topics, said, groups: open() },
    restart() {
      world.groups.close();
      world.groups = open();
    },
    createTopic(name, partitions) {
      topicNumber += 1;
      const topic = { name, id: topicNumber.toString(16).padStart(32, "0"), partitions };
      topics.set(name, topic);
      world.groups.topicsChanged();
      return topic;
    },
  };
  return world;
}

export interface TestEnvironment extends GroupEnvironment {
  readonly clock: ManualClock;
  readonly records: GroupRecord[];
  readonly topicMap: Map<string, TopicMetadata>;
}

/** For one group alone: what it persists is durable at once. */
export function testEnvironment(options: Partial<GroupOptions> = {}): TestEnvironment {
  const clock = new ManualClock();
  const records: GroupRecord[] = [];
  const topicMap = new Map<string, TopicMetadata>();
  let ids = 0;
  return {
    ...{ clock, records, topicMap },
    options: { ...defaultGroupOptions, ...options },
    timers: new Timers(clock),
    topics: { find: (name) => topicMap.get(name), all: () => topicMap.values() },
    memory: { usedBytes: 0, mostBytes: 1_000_000 },
    counts: { rebalances: 0 },
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    createId: () => `id${(ids += 1)}`,
    persist: (more, done) => {
      records.push(...more);
      done(null);
    },
  };
}

/** The code that this is refused with. */
export async function codeOf(attempt: Promise<unknown> | (() => unknown)): Promise<ErrorCode | "none"> {
  try {
    await (typeof attempt === "function" ? attempt() : attempt);
  } catch (error) {
    if (error instanceof MoldauError) return error.code;
    throw error;
  }
  return "none";
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A ConsumerProtocolSubscription of version 1, with what its user and its past say. */
export function subscription(topics: readonly string[], userData = ""): Uint8Array {
  const parts = [0, 1, 0, 0, 0, topics.length];
  for (const topic of topics) parts.push(0, topic.length, ...bytesOf(topic));
  parts.push(0, 0, 0, userData.length, ...bytesOf(userData), 0, 0, 0, 0);
  return Uint8Array.from(parts);
}
