// What a start makes of a folder, and what a stop in order leaves of it.
//
// Owns: the part of correctness.md A 19 that is about damage: none is found where none was done.
// Never: looks at a file; who opened or walked the folder says what was found.

import { tell, when } from "../history.ts";
import type { Invariant } from "./invariant.ts";

export const foundWhole: Invariant = {
  name: "A19: a log that nobody damaged is found whole, by every start and by whoever verifies what a stop left",
  source: "KAFKA-6264 (swaps cut short), KAFKA-10471, KAFKA-15375 (clean markers), KAFKA-16541",
  needs: "a log's state after a start with a sound disk, or a folder that was verified",
  check(history, findings) {
    history.forEach(["describe", "verified"], (event, index) => {
      if (event.kind === "describe") {
        if (event.sound !== true) return;
        findings.look();
        if (event.state === "online") return;
        findings.violated(event.log, [index], () => `${event.reason ?? "no reason is told"}: ${tell(event)}`);
      } else {
        findings.look();
        if (event.findings.length > 0)
          findings.violated(
            undefined,
            [index],
            () =>
              `the folder that a stop in order left, verified ${when(event)}: ${event.findings.slice(0, 3).join("; ")}`,
          );
      }
    });
  },
};
