// Compaction takes what it must.
//
// Owns: the half of correctness.md A 9 that is about progress: what a later record has replaced goes.
// Never: demands anything of the active segment, or of a pass that was cut short; or of a tombstone, whose time
//   no client can tell (the compaction suite looks at the passes themselves).

import type { LogName } from "../history.ts";
import { tell, when } from "../history.ts";
import type { Invariant } from "./invariant.ts";

export const oneRecordAKey: Invariant = {
  name: "A9: a whole compaction leaves one record a key",
  source: "KIP-58; Kafka's LogCleaner (a map of keys that is full ends a pass early)",
  needs: "an audit after a compaction that came to its end",
  check(history, findings) {
    const cleaned = new Map<LogName, { readonly below: number; readonly index: number }>();
    history.forEach(["compacted", "read"], (event, index) => {
      if (event.kind === "compacted") cleaned.set(event.log, { below: event.below, index });
      else if (event.manner === "audit" && event.outcome === "ok") {
        const pass = cleaned.get(event.log);
        if (pass === undefined || pass.index >= event.invokedAt) return;
        const last = new Map<string, number>();
        for (const { key, offset } of event.records) {
          if (key === undefined || offset >= pass.below) continue;
          const earlier = last.get(key);
          findings.look();
          if (earlier !== undefined)
            findings.violated(
              event.log,
              [index, pass.index],
              () =>
                `key '${key}' is at ${earlier} and at ${offset}, though all below ${pass.below} was compacted ${when(history.event(pass.index))}: ${tell(event)}`,
            );
          last.set(key, offset);
        }
      }
    });
  },
};
