// Which leader wrote what: a broker tells of every offset the epoch that its batch carries.
//
// Owns: the part of correctness.md A 19 that is about leader epochs.
// Never: knows of the checkpoint that keeps them.

import { when } from "../history.ts";
import type { Invariant } from "./invariant.ts";

export const epochsAsWritten: Invariant = {
  name: "A19: the leader epoch told for an offset is the one that its batch carries",
  source: "KIP-101; KAFKA-16541; Kafka's LeaderEpochFileCache",
  needs: "leader epochs, of batches and as told",
  check(history, findings) {
    history.forEach(["epochs"], (event, index) => {
      for (const { offset, written, told } of event.batches) {
        findings.look();
        if (written === told) continue;
        findings.violated(
          event.log,
          [index],
          () => `${event.log} offset ${offset} was written in epoch ${written}, told is ${told} ${when(event)}`,
        );
      }
    });
  },
};
