// True histories, corrupted in the way that an invariant names.
//
// Owns: one or more corruptions an invariant; null when the history has no place for it.
// Never: judges.

import type { History, HistoryEvent, Produced, Read, ReadRecord } from "../history.ts";
import type { Random } from "../random.ts";

type Kind = HistoryEvent["kind"];
type OfKind<K extends Kind> = Extract<HistoryEvent, { kind: K }>;

export interface Corruption {
  readonly what: string;
  /** Part of the name of the invariant that must find it. */
  readonly breaks: RegExp;
  corrupt(history: History, random: Random): History | null;
}

/** A random event of a kind that `fits`, replaced. */
function replacing<K extends Kind>(
  kind: K,
  fits: (event: OfKind<K>, index: number, history: History) => boolean,
  change: (event: OfKind<K>, random: Random) => Partial<OfKind<K>>,
): Corruption["corrupt"] {
  return (history, random) => {
    const places = [...history.keys()].filter((index) => {
      const event = history[index];
      return event?.kind === kind && fits(event as OfKind<K>, index, history);
    });
    if (places.length === 0) return null;
    const place = random.pick(places);
    const event = history[place] as OfKind<K>;
    return history.with(place, { ...event, ...change(event, random) } as HistoryEvent);
  };
}

function isAudit(event: Read): boolean {
  return event.manner === "audit" && event.log.startsWith("log") && event.records.length > 3;
}

function isCompacted(event: Read): boolean {
  return event.manner === "audit" && event.log.startsWith("compacted");
}

function changed(records: readonly ReadRecord[], place: number, change: Partial<ReadRecord>): ReadRecord[] {
  return records.map((record, at) => (at === place ? { ...record, ...change } : record));
}

function swapped(records: readonly ReadRecord[], one: number, other: number): ReadRecord[] {
  const [a, b] = [records[one] as ReadRecord, records[other] as ReadRecord];
  return changed(changed(records, one, { value: b.value, timestamp: b.timestamp }), other, {
    value: a.value,
    timestamp: a.timestamp,
  });
}

/** The last of each key, as the audit has it. */
function latest(records: readonly ReadRecord[], tombstones: boolean): number[] {
  const places = new Map<string, number>();
  records.forEach(({ key }, place) => {
    if (key !== undefined) places.set(key, place);
  });
  return [...places.values()].filter((place) => (records[place]?.tombstone === true) === tombstones);
}

const without = (records: readonly ReadRecord[], place: number): ReadRecord[] =>
  records.filter((_, at) => at !== place);

function wasAcknowledged(history: History, log: string, offset: number): boolean {
  return history.some(
    (event) =>
      event.kind === "produce" &&
      event.log === log &&
      event.outcome === "ok" &&
      event.acks === "all" &&
      event.offsets?.includes(offset) === true,
  );
}

/** What a producer sent to a log before this, when all of it was acknowledged. */
function followsAcknowledged(event: Produced, index: number, history: History): boolean {
  if (event.producer === undefined || event.outcome !== "ok" || event.retry === true) return false;
  const before = history
    .slice(0, index)
    .filter(
      (other): other is Produced =>
        other.kind === "produce" && other.log === event.log && other.producer?.id === event.producer?.id,
    );
  return before.length > 0 && before.every(({ outcome }) => outcome === "ok");
}

const lastDescription = (event: OfKind<"describe">, index: number, history: History): boolean =>
  event.quiet && history.findLastIndex((other) => other.kind === "describe" && other.log === event.log) === index;

export const corruptions: readonly Corruption[] = [
  {
    what: "the last acknowledged record is gone",
    breaks: /outlives every crash/,
    corrupt: replacing(
      "read",
      (event, _, history) => isAudit(event) && wasAcknowledged(history, event.log, event.nextOffset - 1),
      ({ records, nextOffset }) => ({
        records: records.slice(0, -1),
        nextOffset: nextOffset - 1,
        highWatermark: nextOffset - 1,
      }),
    ),
  },
  {
    what: "two neighbours change places",
    breaks: /one \(partition, offset\) holds one value/,
    corrupt: replacing(
      "read",
      (event, _, history) =>
        isAudit(event) && wasAcknowledged(history, event.log, (event.records[0] as ReadRecord).offset),
      ({ records }) => ({ records: swapped(records, 0, 1) }),
    ),
  },
  {
    what: "two records of one process change places",
    breaks: /order of sending/,
    corrupt: (history, random) => {
      const place = history.findLastIndex((event) => event.kind === "read" && isAudit(event));
      const audit = history[place];
      if (audit?.kind !== "read") return null;
      // One without an answer may land later than what was sent after it.
      const mine = [...audit.records.keys()].filter(
        (at) =>
          audit.records[at]?.value.startsWith("p0.") &&
          history.some(
            (event) =>
              event.kind === "produce" &&
              event.outcome === "ok" &&
              event.records.some(({ value }) => value === audit.records[at]?.value),
          ),
      );
      if (mine.length < 2) return null;
      const at = random.below(mine.length - 1);
      const records = swapped(audit.records, mine[at] as number, mine[at + 1] as number);
      return history.with(place, { ...audit, records });
    },
  },
  {
    what: "a value a second time",
    breaks: /one value is stored at one offset/,
    corrupt: replacing("read", isAudit, ({ records }) => ({
      records: changed(records, 2, { value: records[0]?.value ?? "" }),
    })),
  },
  {
    what: "a value that nobody sent",
    breaks: /what is read was sent/,
    corrupt: replacing("read", isAudit, ({ records }, random) => ({
      records: changed(records, random.below(records.length), { value: "x.0" }),
    })),
  },
  {
    what: "another timestamp",
    breaks: /what is read was sent/,
    corrupt: replacing("read", isAudit, ({ records }, random) => ({
      records: changed(records, random.below(records.length), { timestamp: 5 }),
    })),
  },
  {
    what: "a gap",
    breaks: /offsets are dense/,
    corrupt: replacing("read", isAudit, ({ records }, random) => ({
      records: without(records, 1 + random.below(records.length - 2)),
    })),
  },
  {
    what: "a cursor that is asked from elsewhere",
    breaks: /cursor never skips/,
    corrupt: replacing(
      "read",
      (event, index, history) =>
        event.manner === "cursor" &&
        event.outcome === "ok" &&
        history
          .slice(0, index)
          .findLast((other) => other.kind === "read" && other.process === event.process && other.log === event.log) !==
          undefined,
      ({ from }) => ({ from: from + 1 }),
    ),
  },
  {
    what: "a member that skips",
    breaks: /neither skips nor repeats/,
    corrupt: replacing(
      "read",
      (event, _, history) =>
        event.manner === "group" &&
        history.some(
          (other) =>
            other.kind === "read" &&
            other.member === event.member &&
            other.generation === event.generation &&
            other.log === event.log &&
            other.nextOffset === event.from &&
            other.from < event.from &&
            event.from > event.logStartOffset,
        ),
      ({ from }) => ({ from: from + 1 }),
    ),
  },
  {
    what: "a high watermark that goes back",
    breaks: /never go back/,
    corrupt: replacing("describe", lastDescription, () => ({
      highWatermark: 0,
      lastStableOffset: 0,
      logStartOffset: 0,
    })),
  },
  {
    what: "acknowledged records that are not readable",
    breaks: /below the high watermark/,
    corrupt: replacing("describe", lastDescription, () => ({
      highWatermark: 0,
      lastStableOffset: 0,
      logStartOffset: 0,
    })),
  },
  {
    what: "a watermark beyond the end",
    breaks: /logStartOffset <= /,
    corrupt: replacing(
      "describe",
      () => true,
      ({ logEndOffset }) => ({ highWatermark: logEndOffset + 1 }),
    ),
  },
  {
    what: "a read past the high watermark",
    breaks: /at or above the high watermark/,
    corrupt: replacing(
      "read",
      ({ records }) => records.length > 0,
      ({ nextOffset }) => ({ highWatermark: nextOffset - 1 }),
    ),
  },
  {
    what: "records that never become readable",
    breaks: /everything written becomes readable/,
    corrupt: replacing("describe", lastDescription, ({ logEndOffset }) => ({ logEndOffset: logEndOffset + 1 })),
  },
  {
    what: "a record that nobody reads",
    breaks: /was read by someone/,
    corrupt: (history) => {
      const audit = history.findLast((event) => event.kind === "read" && isAudit(event));
      if (audit?.kind !== "read") return null;
      const lost = audit.records.find(({ offset }) => wasAcknowledged(history, audit.log, offset))?.offset;
      if (lost === undefined) return null;
      return history.map((event) =>
        event.kind === "read" && event.log === audit.log
          ? { ...event, records: event.records.filter(({ offset }) => offset !== lost) }
          : event,
      );
    },
  },
  {
    what: "a log start that nobody asked for",
    breaks: /moves only as far as/,
    corrupt: replacing(
      "describe",
      (event) => event.log.startsWith("compacted"),
      () => ({ logStartOffset: 1 }),
    ),
  },
  {
    what: "a deleted record that is read",
    breaks: /is not read again/,
    corrupt: replacing(
      "read",
      (event) => isAudit(event) && event.logStartOffset > 0,
      ({ records, from }) => ({ records: [{ offset: from - 1, value: "p0.0", timestamp: 0 }, ...records] }),
    ),
  },
  {
    what: "the last value of a key gone",
    breaks: /latest committed value of a key/,
    corrupt: (history, random) => {
      // A tombstone without an answer may have come behind a value, and have gone again.
      const doubtful = new Set(
        history.flatMap((event) =>
          event.kind === "produce" && event.outcome === "info"
            ? event.records.flatMap(({ key, tombstone }) => (tombstone === true ? [key] : []))
            : [],
        ),
      );
      const certain = (records: readonly ReadRecord[]): number[] =>
        latest(records, false).filter((place) => !doubtful.has(records[place]?.key));
      const corrupt = replacing(
        "read",
        (event) => isCompacted(event) && certain(event.records).length > 0,
        ({ records }) => ({ records: without(records, random.pick(certain(records))) }),
      );
      return corrupt(history, random);
    },
  },
  {
    what: "a tombstone gone early",
    breaks: /a tombstone stays/,
    corrupt: replacing(
      "read",
      (event) => isCompacted(event) && latest(event.records, true).length > 0,
      ({ records }, random) => ({ records: without(records, random.pick(latest(records, true))) }),
    ),
  },
  {
    what: "compaction that changes the order",
    breaks: /no offset and no order/,
    corrupt: replacing(
      "read",
      (event) => isCompacted(event) && event.records.length > 1,
      ({ records }) => ({ records: [records[1] as ReadRecord, records[0] as ReadRecord, ...records.slice(2)] }),
    ),
  },
  {
    what: "a gap in the sequences",
    breaks: /without a gap/,
    corrupt: (history, random) => {
      const places = [...history.keys()].filter((index) => {
        const event = history[index];
        return event?.kind === "produce" && followsAcknowledged(event, index, history);
      });
      if (places.length === 0) return null;
      const place = random.pick(places);
      const event = history[place] as Produced & { producer: NonNullable<Produced["producer"]> };
      const audited = history.some(
        (other) =>
          other.kind === "read" &&
          isAudit(other) &&
          other.log === event.log &&
          other.logStartOffset < (event.offsets?.[0] ?? 0) - 40,
      );
      if (!audited) return null;
      return history.with(place, {
        ...event,
        producer: { ...event.producer, sequence: (event.producer.sequence + 1) % 2 ** 31 },
      });
    },
  },
  {
    what: "a retry with another offset",
    breaks: /answered with the first offset/,
    corrupt: replacing(
      "produce",
      (event, index, history) =>
        event.duplicate === true &&
        history
          .slice(0, event.invokedAt)
          .some(
            (other) =>
              other.kind === "produce" && other.outcome === "ok" && other.records[0]?.value === event.records[0]?.value,
          ) &&
        index > event.invokedAt - 1,
      ({ offsets }) => ({ offsets: offsets?.map((offset) => offset + 1) ?? [] }),
    ),
  },
  {
    what: "the next batch refused",
    breaks: /is not refused for its sequence/,
    corrupt: (history, random) => {
      const corrupt = replacing("produce", followsAcknowledged, () => ({
        outcome: "fail",
        code: "OUT_OF_ORDER_SEQUENCE_NUMBER",
      }));
      return corrupt(history, random);
    },
  },
  {
    what: "a producer id twice",
    breaks: /handed out twice/,
    corrupt: (history) => {
      const first = history.find((event) => event.kind === "allocate producer");
      return first === undefined ? null : [...history, { ...first, invokedAt: history.length }];
    },
  },
  {
    what: "a second owner",
    breaks: /one owner in a generation/,
    corrupt: replacing(
      "assign",
      (event, index, history) => {
        const other = history[index + 1];
        return other?.kind === "assign" && other.generation === event.generation;
      },
      ({ partitions }) => ({ partitions: [...partitions, "compacted-0", "log-0", "log-1", "log-2"] }),
    ),
  },
  {
    what: "a stale commit accepted",
    breaks: /stale generation is refused/,
    corrupt: replacing(
      "commit",
      ({ outcome }) => outcome === "fail",
      () => ({ outcome: "ok" }),
    ),
  },
  {
    what: "a commit forgotten",
    breaks: /acknowledged commit survives/,
    corrupt: replacing(
      "committed",
      ({ offset }) => offset >= 0,
      () => ({ offset: -1 }),
    ),
  },
  {
    what: "an offset that nobody committed",
    breaks: /acknowledged commit survives/,
    corrupt: replacing(
      "committed",
      () => true,
      ({ offset }) => ({ offset: offset + 1_000_000 }),
    ),
  },
  {
    what: "a new owner who begins elsewhere",
    breaks: /starts at the last commit/,
    corrupt: replacing(
      "read",
      (event, index, history) => {
        if (event.manner !== "group" || event.outcome !== "ok") return false;
        const first = history.findIndex(
          (other) =>
            other.kind === "read" &&
            other.member === event.member &&
            other.generation === event.generation &&
            other.log === event.log,
        );
        return first === index;
      },
      ({ from }) => ({ from: from + 1_000_000 }),
    ),
  },
  {
    what: "a delivery to another member",
    breaks: /nothing of a partition is delivered/,
    corrupt: replacing(
      "read",
      ({ manner, records }) => manner === "group" && records.length > 0,
      () => ({ member: "somebody else" }),
    ),
  },
  {
    what: "a commit of what nobody was given",
    breaks: /was delivered to its members/,
    corrupt: replacing(
      "commit",
      ({ outcome }, index, history) => {
        const { group, log } = history[index] as OfKind<"commit">;
        const isDelivered = (event: HistoryEvent): boolean =>
          event.kind === "read" && event.manner === "group" && event.group === group && event.log === log;
        return outcome === "ok" && history.slice(0, index).some(isDelivered);
      },
      ({ offset }) => ({ offset: offset + 1_000_000 }),
    ),
  },
  {
    what: "a look-up that finds the next",
    breaks: /look-up by time/,
    corrupt: replacing(
      "look up",
      ({ log, offset }) => log.startsWith("log") && offset !== null,
      ({ offset }) => ({ offset: (offset ?? 0) + 1 }),
    ),
  },
  {
    what: "a refused append that is read",
    breaks: /effect 'none' is never read/,
    corrupt: replacing(
      "produce",
      (event, _, history) =>
        event.outcome === "ok" &&
        event.producer === undefined &&
        history.some(
          (other) => other.kind === "read" && other.records.some(({ value }) => value === event.records[0]?.value),
        ),
      () => ({ outcome: "fail", code: "KAFKA_STORAGE_ERROR" }),
    ),
  },
  {
    what: "a conditional append elsewhere",
    breaks: /conditional append/,
    corrupt: replacing(
      "produce",
      ({ expectedEndOffset, outcome }) => expectedEndOffset !== undefined && outcome === "ok",
      ({ expectedEndOffset }) => ({ expectedEndOffset: (expectedEndOffset ?? 0) + 1 }),
    ),
  },
];
