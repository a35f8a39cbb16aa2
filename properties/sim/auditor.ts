// Looks at everything there is when all is quiet, on the broker's own machine.
//
// Owns: what an audit reads and writes down. Never: judges, but for what does not end.

import type { EpochSeen, ReadRecord } from "../history.ts";
import { draw, type Random } from "../random.ts";
import type { BatchSeen } from "../records.ts";
import { type Broker, MoldauError } from "../subject.ts";
import type { LogPlace } from "./actors/actor.ts";
import { fetchPage } from "./actors/readers.ts";
import type { Recorder } from "./recorder.ts";

export interface AuditWorld {
  readonly seed: number;
  readonly recorder: Recorder;
  readonly isDamaged: (log: LogPlace) => boolean;
  /** Whether a client's request is still on its way, or at work in the broker, though nobody waits for it. */
  isAsked(): boolean;
  wallMs(): number;
  /** Lets events happen until a promise has settled; rejects as it does, or when it never does. */
  settle<T>(what: string, work: Promise<T>): Promise<T>;
  pass(ms: number): Promise<void>;
  stuck(detail: string): void;
  /** Enough is seen: the history shows what is wrong, and nothing more can be asked. */
  broken(detail: string): void;
  /** A damaged log was refused, as it must be where the damage is. */
  refused(code: string): void;
}

/** Writes down how a log stands; false when it is not to be read. */
export function describe(
  { recorder, broken, isDamaged }: Pick<AuditWorld, "recorder" | "broken" | "isDamaged">,
  broker: Broker,
  log: LogPlace,
  how: { readonly quiet: boolean; readonly faulty: boolean },
): boolean {
  const described = partitionOf(broker, log);
  if (described === null) return false;
  const sound = !how.faulty && !isDamaged(log);
  const { state, reason, logStartOffset, highWatermark, lastStableOffset, logEndOffset, segments } = described;
  recorder.push({
    ...{ kind: "describe", log: log.name, state, ...(reason === undefined ? {} : { reason }) },
    ...{ logStartOffset, highWatermark, lastStableOffset, logEndOffset, segments, quiet: how.quiet },
    ...(sound ? { sound } : {}),
  });
  if (state !== "online" && sound) broken(`${log.name} is ${state}: ${reason}`);
  return state !== "offline";
}

export function partitionOf(
  broker: Broker,
  log: LogPlace,
): ReturnType<Broker["describeTopic"]>["partitions"][number] | null {
  try {
    const topic = broker.describeTopic(log.topic);
    return topic.id === log.topicId ? (topic.partitions[log.partition] ?? null) : null;
  } catch (error) {
    if (error instanceof MoldauError) return null;
    throw error;
  }
}

/** All is healed, and nobody else is at work: everything written is there to be read. */
export async function audit(
  world: AuditWorld,
  broker: Broker,
  logs: readonly LogPlace[],
  round: number,
): Promise<void> {
  const isSettled = (): boolean =>
    !world.isAsked() &&
    logs.every((log) => {
      const described = partitionOf(broker, log);
      return described === null || described.state !== "online" || described.highWatermark === described.logEndOffset;
    });
  // An operation that began when the disk was stalled takes as long as it takes.
  for (let tries = 0; tries < 2000 && !isSettled(); tries++) await world.pass(25);
  world.recorder.push({ kind: "topics", ids: broker.listTopics().map(({ id }) => id) });
  for (const log of logs) {
    const chance = draw(world.seed, "audit", round, log.name);
    if (!describe(world, broker, log, { quiet: true, faulty: false })) continue;
    try {
      await readAll(world, broker, log, chance);
    } catch (error) {
      if (!(error instanceof MoldauError)) throw error;
      if (world.isDamaged(log)) world.refused(error.code);
      else world.stuck(`the auditor was refused ${log.name}: ${error.stack ?? error.message}`);
    }
  }
}

async function readAll(world: AuditWorld, broker: Broker, log: LogPlace, chance: Random): Promise<void> {
  const { recorder } = world;
  const how = { raw: chance.chance(0.3), limit: chance.pick([1, 7, 1000, 1000]), maxWaitMs: 0 };
  const invokedAt = recorder.now;
  const { earliest } = broker.offsets(log.topic, log.partition);
  const records: ReadRecord[] = [];
  let offset = earliest;
  let bounds = { logStartOffset: earliest, highWatermark: earliest };
  const batches: EpochSeen[] = [];
  const seen = ({ baseOffset, leaderEpoch: written }: BatchSeen): void => {
    const told = broker.leaderEpochAt(log.topic, log.partition, Math.max(baseOffset, earliest));
    batches.push({ offset: baseOffset, written, told });
  };
  for (;;) {
    const page = await world.settle(`read all of ${log.name}`, fetchPage(broker, log, offset, { ...how, seen }));
    for (const record of page.records) records.push(record);
    bounds = page;
    if (page.nextOffset <= offset) break;
    offset = page.nextOffset;
  }
  const { logStartOffset, highWatermark } = bounds;
  recorder.push(
    {
      ...{ kind: "read", process: "auditor", log: log.name, manner: "audit", from: earliest, outcome: "ok" },
      ...{ records, logStartOffset, highWatermark, nextOffset: offset },
    },
    invokedAt,
  );
  if (batches.length > 0) recorder.push({ kind: "epochs", log: log.name, batches });
  for (let count = 0; count < 3; count++) {
    const timestamp = records.length === 0 ? world.wallMs() : chance.pick(records).timestamp + chance.pick([-1, 0, 1]);
    const at = recorder.now;
    const found = await world.settle(
      `look up ${log.name}`,
      broker.offsetForTimestamp(log.topic, log.partition, timestamp),
    );
    recorder.push(
      { kind: "look up", log: log.name, timestamp, offset: found.offset, recordTimestamp: found.timestamp },
      at,
    );
  }
}
