// The end of a workload: the log heals, everything is read to its end, and all there is is read once more.
//
// Owns: when the log counts as healed, and what is asked of it in quiet. What does not come about in time
//   is a `stuck` event: an invariant judges it.

import type { LogName } from "../history.ts";
import type { Random } from "../random.ts";
import { type Cursor, describe, type Log, type Stage } from "./clients.ts";
import { unknownTopic } from "./faults.ts";
import type { Member } from "./member.ts";
import { toRead } from "./values.ts";

export interface AuditOptions {
  readonly stage: Stage;
  readonly cursors: readonly Cursor[];
  readonly members: readonly Member[];
  readonly group: string;
  readonly random: Random;
  readonly healMs: number;
}

const lookMs = 50;
/** Before the next read where one has led on without a record. */
const gapMs = 5;
const lookUps = 5;

/** False when the log does not answer any more: there is nothing to be read then. */
export async function heal({ stage, healMs }: AuditOptions): Promise<boolean> {
  const { recorder, adapter, logs } = stage;
  const deadline = recorder.elapsedMs() + healMs;
  for (const log of logs) {
    for (;;) {
      const answer = await recorder.call(() => adapter.offsets(log.place));
      if (answer.outcome === "ok") {
        const { highWatermark, logEndOffset } = answer.value;
        if (logEndOffset === undefined || logEndOffset === highWatermark) break;
      }
      if (recorder.elapsedMs() > deadline) {
        const why = answer.outcome === "ok" ? "does not become readable" : unanswered(answer.code);
        recorder.push({ kind: "stuck", detail: `${log.name} ${why}, ${healMs} ms after the faults have ended` });
        return false;
      }
      await wait(lookMs);
    }
  }
  return true;
}

function unanswered(code: string): string {
  return code === unknownTopic ? "is gone, with all that was acknowledged in it" : `does not answer: ${code}`;
}

export async function audit(options: AuditOptions): Promise<void> {
  const { stage, cursors, members, group } = options;
  const { recorder, logs } = stage;
  for (const log of logs) await describe(stage, log, true);
  const lateFromNow = (): (() => boolean) => {
    const deadline = recorder.elapsedMs() + options.healMs;
    return () => recorder.elapsedMs() > deadline;
  };
  const late = lateFromNow();
  const finished = await Promise.all(cursors.map((cursor) => cursor.finish(late)));
  if (finished.includes(false))
    recorder.push({ kind: "stuck", detail: `a cursor did not come to the end within ${options.healMs} ms` });
  const ends = new Map<LogName, number>();
  for (const log of logs) ends.set(log.name, (await readAll(options, log)) ?? 0);
  if (members.length > 0 && !(await finishGroup(members, ends, lateFromNow(), logs.length)))
    recorder.push({ kind: "stuck", detail: `${group} did not come to the end within ${options.healMs} ms` });
  await lookUpOffsets(options);
  if (members.length > 0) for (const log of logs) await askCommitted(options, log);
}

async function finishGroup(
  members: readonly Member[],
  ends: ReadonlyMap<LogName, number>,
  late: () => boolean,
  partitions: number,
): Promise<boolean> {
  // For good: a member that is joining just then takes over from one that has stopped, and nobody is behind.
  let isDone = false;
  const over = new AbortController();
  const look = (): void => {
    const shared = members.reduce((sum, member) => sum + member.partitions, 0);
    isDone ||= shared === partitions && members.every((member) => member.hasReached(ends));
    if (isDone || late()) over.abort();
  };
  // Each on its own: a member that joins waits until the others have heard of it.
  await Promise.all(members.map((member) => member.finish(ends, over.signal, look)));
  return isDone;
}

/** One read of everything, as one event; the end of the log, or null when it could not be read. */
async function readAll({ stage, healMs }: AuditOptions, log: Log): Promise<number | null> {
  const { adapter, recorder } = stage;
  const deadline = recorder.elapsedMs() + healMs;
  for (;;) {
    const answer = await recorder.call(() => adapter.offsets(log.place));
    const invokedAt = recorder.history.length;
    const records = [];
    let from = -1;
    let offset = -1;
    let bounds = { logStartOffset: 0, highWatermark: 0 };
    let code = answer.outcome === "ok" ? "" : answer.code;
    if (answer.outcome === "ok") {
      from = answer.value.logStartOffset;
      offset = from;
      for (;;) {
        const at = offset;
        const part = await recorder.call(() => adapter.read(log.place, { offset: at, maxWaitMs: 0 }));
        if (part.outcome !== "ok") {
          code = part.code;
          break;
        }
        const { records: some, nextOffset, logStartOffset, highWatermark } = part.value;
        for (const record of some) records.push(toRead(record));
        bounds = { logStartOffset, highWatermark };
        offset = Math.max(offset, nextOffset);
        if (nextOffset <= at || nextOffset >= highWatermark) break;
        if (recorder.elapsedMs() > deadline) {
          code = `${highWatermark - offset} records before its end after ${healMs} ms`;
          break;
        }
        if (some.length === 0) await wait(gapMs);
      }
    }
    if (code === "") {
      recorder.push(
        {
          ...{ kind: "read", process: "auditor", log: log.name, manner: "audit", from, outcome: "ok" },
          ...{ records, ...bounds, nextOffset: offset },
        },
        invokedAt,
      );
      return offset;
    }
    if (recorder.elapsedMs() > deadline) {
      recorder.push({ kind: "stuck", detail: `${log.name} cannot be read in quiet: ${code}` });
      return null;
    }
    await wait(lookMs);
  }
}

async function lookUpOffsets({ stage, random }: AuditOptions): Promise<void> {
  const { adapter, recorder, logs } = stage;
  if (!adapter.supports.lookUpByTime) return;
  for (const log of logs) {
    // Compaction goes on in quiet, and what the audit saw may be gone.
    if (log.compacted) continue;
    const audit = recorder.history.findLast(
      (event) => event.kind === "read" && event.manner === "audit" && event.log === log.name,
    );
    if (audit?.kind !== "read") continue;
    for (let count = 0; count < lookUps; count++) {
      const near = audit.records.length === 0 ? Date.now() : random.pick(audit.records).timestamp;
      const timestamp = near + random.pick([-1, 0, 1]);
      const answer = await recorder.call(async () => (await adapter.lookUp?.(log.place, timestamp)) ?? null);
      if (answer.outcome !== "ok") continue;
      const found = answer.value;
      const [offset, recordTimestamp] = [found?.offset ?? null, found?.timestamp ?? null];
      recorder.push({ kind: "look up", log: log.name, timestamp, offset, recordTimestamp }, answer.invokedAt);
    }
  }
}

async function askCommitted({ stage, group }: AuditOptions, log: Log): Promise<void> {
  const { adapter, recorder } = stage;
  const answer = await recorder.call(async () => (await adapter.committed?.(group, log.place)) ?? null);
  if (answer.outcome === "ok")
    recorder.push({ kind: "committed", group, log: log.name, offset: answer.value ?? -1 }, answer.invokedAt);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
