// A look-up by time answers as the simple log does.
//
// Owns: Kafka's ListOffsets semantics: the first record in log order, from the log start
//   to the high watermark, whose timestamp is at or after the time.

import type { History, Invariant, LogName, Read } from "../history.ts";
import { tell, when } from "../history.ts";
import { lookUp } from "../model.ts";

export const lookUpByTime: Invariant = {
  name: "A19: a look-up by time finds the first record at or after it",
  source: "Kafka's UnifiedLog.fetchOffsetByTimestamp, KIP-33",
  check(history: History): string[] {
    const messages: string[] = [];
    const audits = new Map<LogName, Read>();
    for (const event of history) {
      if (event.kind === "read" && event.manner === "audit" && event.outcome === "ok") audits.set(event.log, event);
      else if (event.kind === "look up") {
        const audit = audits.get(event.log);
        if (audit === undefined) continue;
        const expected = lookUp(audit.records, event.timestamp);
        if ((expected?.offset ?? null) !== event.offset || (expected?.timestamp ?? null) !== event.recordTimestamp) {
          messages.push(
            `${event.log}: the first record at or after ${event.timestamp} is ${expected === null ? "none" : `${expected.offset} (timestamp ${expected.timestamp})`}, answered ${event.offset} (${event.recordTimestamp}) ${when(event)}; ${tell(audit)}`,
          );
        }
      }
    }
    return messages;
  },
};
