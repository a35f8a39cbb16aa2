// Every process sees time go one way.
//
// Owns: correctness.md A 3 and 4, the cursor of A 20, and the monotone half of A 8.
// Never: compares answers that overtook each other: an answer is held against those that
//   came before it was asked for.

import type { HistoryEvent, LogName, Read } from "../history.ts";
import { tell } from "../history.ts";
import type { IndexedHistory, LogIndex } from "./indexed.ts";
import type { Findings, Invariant } from "./invariant.ts";
import { Rising } from "./rising.ts";

export const sendsInOrder: Invariant = {
  name: "A3: what one process sent to a partition lies there in the order of sending",
  source: "Jepsen's kafka workload (nonmonotonic-send)",
  needs: "an audit of a log that somebody sent to",
  check(history, findings) {
    const turns = new Turns(history);
    history.forEach(["read"], (event, index) => {
      if (event.manner === "audit" && event.outcome === "ok")
        inOrder(history, history.log(event.log), turns, index, findings);
    });
  },
};

/** A value `who.N` is the N-th of `who`; of others the order of sending is that of the history. */
class Turns {
  /** How many processes sent something. */
  processes = 0;
  readonly #numbers: Map<string, number> = new Map();
  readonly #ofLog: Map<LogIndex, OfLog> = new Map();

  constructor(history: IndexedHistory) {
    for (const log of history.logs.values())
      this.#ofLog.set(log, { process: new Int32Array(log.values).fill(-1), turn: new Float64Array(log.values) });
    history.forEach(["produce"], (event, index) => {
      const log = history.log(event.log);
      const turns = this.of(log);
      const first = history.firstRow(index);
      event.records.forEach(({ value: name }, place) => {
        const value = history.value[first + place] as number;
        if (log.firstSent[value] !== index) return;
        const dot = dotBeforeNumber(name);
        // Most often it is whoever sends it: that spares a string of its own.
        const isSender = dot < 0 || (dot === event.process.length && name.startsWith(event.process));
        turns.process[value] = this.#numberOf(isSender ? event.process : name.slice(0, dot));
        turns.turn[value] = dot < 0 ? event.invokedAt + place / (event.records.length + 1) : numberFrom(name, dot + 1);
      });
    });
  }

  of(log: LogIndex): OfLog {
    return this.#ofLog.get(log) as OfLog;
  }

  #numberOf(process: string): number {
    let number = this.#numbers.get(process);
    if (number === undefined) {
      number = this.processes++;
      this.#numbers.set(process, number);
    }
    return number;
  }
}

interface OfLog {
  /** By value: whose it is, as a number; -1 of what nobody sent. */
  readonly process: Int32Array;
  /** By value: rises as its process goes on. */
  readonly turn: Float64Array;
}

/** Where the dot of `who.N` is; -1 when the text is something else. */
function dotBeforeNumber(text: string): number {
  let at = text.length - 1;
  while (at >= 0 && isDigit(text.charCodeAt(at))) at--;
  return at < 1 || at === text.length - 1 || text[at] !== "." ? -1 : at;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Of digits only, which `Number(text.slice(from))` would take several times as long for. */
function numberFrom(text: string, from: number): number {
  let number = 0;
  for (let at = from; at < text.length; at++) number = number * 10 + text.charCodeAt(at) - 48;
  return number;
}

function inOrder(history: IndexedHistory, log: LogIndex, turns: Turns, index: number, findings: Findings): void {
  /** By process: the row of the last that was read of it. */
  const last = new Int32Array(turns.processes).fill(-1);
  const { process: processOf, turn } = turns.of(log);
  const first = history.firstRow(index);
  const end = history.endRow(index);
  findings.look(end - first);
  for (let row = first; row < end; row++) {
    const value = history.value[row] as number;
    const process = processOf[value] as number;
    if (process < 0) continue;
    const lastRow = last[process] as number;
    last[process] = row;
    if (lastRow < 0) continue;
    const before = history.value[lastRow] as number;
    if ((turn[before] as number) < (turn[value] as number)) continue;
    const early = log.lastSent[value] as number;
    const late = log.lastSent[before] as number;
    if (mayOvertake(history, early, late)) continue;
    const read = history.read(index);
    findings.violated(log.name, [index, early, late], () => {
      const [one, other] = [read.records[row - first], read.records[lastRow - first]];
      return `'${one?.value}' (at ${one?.offset}) was sent before '${other?.value}' (at ${other?.offset}): ${tell(history.event(early))}; ${tell(history.event(late))}; ${tell(read)}`;
    });
  }
}

function mayOvertake(history: IndexedHistory, early: number, late: number): boolean {
  const [one, other] = [history.produced(early), history.produced(late)];
  // Several batches were made of it, and others came between.
  if (other.invokedAt <= early && (one.divisible === true || other.divisible === true)) return true;
  // Without an answer it may land at any later time, as long as the log's process lives.
  return (
    one.outcome === "info" && one.producer === undefined && !history.crashedBetween(one.invokedAt, other.invokedAt)
  );
}

export const pollsInOrder: Invariant = {
  name: "A3 A20: a cursor never skips and never repeats",
  source: "Jepsen's kafka workload (nonmonotonic-poll, int-poll-skip)",
  needs: "reads by a cursor",
  check(history, findings) {
    const cursors = new Map<string, number>();
    history.forEach(["read"], (event, index) => {
      if (event.manner !== "cursor") return;
      const key = `${event.process} ${event.log}`;
      const violated = (message: () => string): void =>
        findings.violated(event.log, [index], () => `${message()}: ${tell(event)}`);
      findings.look();
      if (event.outcome !== "ok") {
        // Records below the log start are gone; the process starts anew there.
        if (event.code !== "OFFSET_OUT_OF_RANGE") return;
        if (event.from >= event.logStartOffset && event.from <= event.highWatermark)
          violated(
            () =>
              `a cursor at ${event.from} was refused as out of range though the log is ${event.logStartOffset}..${event.highWatermark}`,
          );
        cursors.delete(key);
        return;
      }
      const expected = cursors.get(key);
      if (expected !== undefined && event.from !== expected)
        violated(() => `the cursor stood at ${expected} and was asked from ${event.from}`);
      goesOn(event, history.log(event.log).compacted, violated);
      cursors.set(key, event.nextOffset);
    });
  },
};

/** What one read of a cursor must show by itself. */
export function goesOn(event: Read, compacted: boolean, violated: (message: () => string) => void): void {
  const first = event.records[0];
  if (first !== undefined && (compacted ? first.offset < event.from : first.offset !== event.from))
    violated(() => `the cursor stood at ${event.from} and got offset ${first.offset}`);
  if (first === undefined && !compacted && event.nextOffset !== event.from)
    violated(() => `the cursor moved from ${event.from} to ${event.nextOffset} without a record`);
  if (event.nextOffset < event.from) violated(() => `the cursor went back from ${event.from} to ${event.nextOffset}`);
}

interface Bounds {
  readonly log: LogName;
  readonly logStartOffset: number;
  readonly highWatermark: number;
}

function bounds(event: HistoryEvent): Bounds | null {
  if (event.kind === "read" && event.outcome === "ok") return event;
  if (event.kind === "describe" && event.state !== "offline") return event;
  return null;
}

export const boundsOrdered: Invariant = {
  name: "A4: logStartOffset <= lastStableOffset <= highWatermark <= logEndOffset",
  source: "Kafka's kip_966_properties.tla; UnifiedLog",
  needs: "reads or descriptions",
  check(history, findings) {
    history.forEach(["read", "describe"], (event, index) => {
      const now = bounds(event);
      if (now === null) return;
      findings.look();
      const { logStartOffset, highWatermark } = now;
      const stable = event.kind === "describe" ? event.lastStableOffset : highWatermark;
      const end = event.kind === "describe" ? event.logEndOffset : highWatermark;
      if (0 <= logStartOffset && logStartOffset <= stable && stable <= highWatermark && highWatermark <= end) return;
      findings.violated(
        now.log,
        [index],
        () =>
          `log start ${logStartOffset}, last stable ${stable}, high watermark ${highWatermark}, log end ${end}: ${tell(event)}`,
      );
    });
  },
};

export const boundsMonotone: Invariant = {
  name: "A4 A8: the exposed high watermark and the log start offset never go back, through crashes too",
  source: "Kafka's kip_966_properties.tla (ConsumedHW); KAFKA-3253",
  needs: "two answers of one log that tell its bounds",
  check(history, findings) {
    const seen = new Map<LogName, { readonly start: Rising; readonly watermark: Rising }>();
    history.forEach(["read", "describe", "delete records"], (event, index) => {
      const deleted = event.kind === "delete records" && event.outcome === "ok";
      const now = deleted
        ? { log: event.log, logStartOffset: event.logStartOffset ?? 0, highWatermark: -1 }
        : bounds(event);
      if (now === null) return;
      let past = seen.get(now.log);
      if (past === undefined) {
        past = { start: new Rising(), watermark: new Rising() };
        seen.set(now.log, past);
      }
      const check = (name: string, rising: Rising, value: number): void => {
        const before = rising.before(event.invokedAt);
        if (before === null) return;
        findings.look();
        if (before.value > value)
          findings.violated(
            now.log,
            [index, before.index],
            () =>
              `${now.log}: the ${name} went back from ${before.value} (${tell(history.event(before.index))}) to ${value}: ${tell(event)}`,
          );
      };
      if (!deleted) {
        check("log start offset", past.start, now.logStartOffset);
        check("high watermark", past.watermark, now.highWatermark);
        past.watermark.add(index, now.highWatermark);
      }
      past.start.add(index, now.logStartOffset);
    });
  },
};
