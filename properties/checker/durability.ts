// What was promised is there after a crash.
//
// Owns: correctness.md A 6 and 18 as one broker can break them (of topics: topics.ts), and the promise of A 7 that
//   everything written is seen in the end.
// Never: looks at a disk: a promise is an acknowledgement with acks=all, or a read.

import { tell, when } from "../history.ts";
import type { Invariant } from "./invariant.ts";
import { OffsetSet } from "./offset-set.ts";
import { Rising } from "./rising.ts";

export const nothingPromisedIsLost: Invariant = {
  name: "A6 A18: what was acknowledged with acks=all, or was once read, outlives every crash",
  source: "KIP-966; Jepsen's kafka workload (lost-write); Moldau's README, What an acknowledgement means",
  needs: "an audit, or a description after a crash",
  check(history, findings) {
    for (const { name, replay } of history.logs.values()) {
      findings.look(replay.endsCompared);
      for (const { kind, events, message } of replay.contradictions)
        if (kind === "lost") findings.violated(name, events, message);
    }
  },
};

export const acknowledgedIsVisible: Invariant = {
  name: "A7 A18: an acks=all acknowledgement means the record is below the high watermark",
  source: "Moldau's README, What an acknowledgement means",
  needs: "an acknowledgement with acks=all, and a read or description after it",
  check(history, findings) {
    const promised = new Map<string, Rising>();
    history.forEach(["produce", "read", "describe"], (event, index) => {
      if (event.kind === "produce" && event.outcome === "ok" && event.acks === "all" && event.offsets !== undefined) {
        let rising = promised.get(event.log);
        if (rising === undefined) {
          rising = new Rising();
          promised.set(event.log, rising);
        }
        rising.add(index, (event.offsets.at(-1) ?? -1) + 1);
      } else if (
        (event.kind === "read" && event.outcome === "ok") ||
        (event.kind === "describe" && event.state !== "offline")
      ) {
        const before = promised.get(event.log)?.before(event.invokedAt) ?? null;
        if (before === null) return;
        findings.look();
        if (event.highWatermark < before.value)
          findings.violated(
            event.log,
            [index, before.index],
            () =>
              `the high watermark is ${event.highWatermark}, but ${tell(history.event(before.index))}: ${tell(event)}`,
          );
      }
    });
  },
};

export const nothingIsUnseen: Invariant = {
  name: "A7: what is acknowledged below the end of the last audit was read by someone",
  source: "Jepsen's kafka workload (unseen)",
  needs: "acknowledgements with acks=all before an audit",
  check(history, findings) {
    for (const log of history.logs.values()) {
      const audit = log.reads.findLast((index) => history.read(index).manner === "audit");
      if (audit === undefined || log.compacted) continue;
      const last = history.read(audit);
      const seen = new OffsetSet();
      for (let row = history.firstRow(audit); row < history.endRow(audit); row++)
        seen.add(history.offset[row] as number);
      let others: OffsetSet | null = null;
      const seenByOthers = (offset: number): boolean => {
        if (others === null) {
          others = new OffsetSet();
          for (const index of log.reads)
            for (let row = history.firstRow(index); row < history.endRow(index); row++)
              others.add(history.offset[row] as number);
        }
        return others.has(offset);
      };
      for (const index of log.produces) {
        const event = history.produced(index);
        if (event.outcome !== "ok" || event.acks !== "all" || index >= last.invokedAt) continue;
        const first = history.firstRow(index);
        const end = history.endRow(index);
        for (let row = first; row < end; row++) {
          const offset = history.offset[row] as number;
          if (offset < last.logStartOffset || offset >= last.nextOffset) continue;
          findings.look();
          if (!seen.has(offset) && !seenByOthers(offset))
            findings.violated(
              log.name,
              [audit, index],
              () =>
                `'${event.records[row - first]?.value}' at ${offset} was read by nobody: ${tell(event)}; ${tell(last)}`,
            );
        }
      }
    }
  },
};

export const progress: Invariant = {
  name: "A7: whatever is under way ends, and everything written becomes readable",
  source: "Moldau's README, What an acknowledgement means: all is synced within 10 ms or 8 MiB, whatever its acks",
  needs: "a description when all is quiet, an audit, or a client that waited in vain",
  check(history, findings) {
    history.forEach(["stuck", "read", "describe"], (event, index) => {
      if (event.kind === "stuck") {
        findings.look();
        findings.violated(undefined, [index], () => `${event.detail} ${when(event)}`);
      } else if (event.kind === "read" && event.manner === "audit") findings.look();
      else if (event.kind === "describe" && event.quiet && event.state === "online") {
        findings.look();
        if (event.highWatermark !== event.logEndOffset)
          findings.violated(
            event.log,
            [index],
            () =>
              `all is quiet, but ${event.logEndOffset - event.highWatermark} records of ${event.log} are not readable: ${tell(event)}`,
          );
      }
    });
  },
};
