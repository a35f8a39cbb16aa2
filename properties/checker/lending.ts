// Bytes that are lent are nobody else's until they come back.
//
// Owns: what a slow peer sees: its socket reads the bytes long after the fetch was answered.

import { when } from "../history.ts";
import type { Invariant } from "./invariant.ts";

export const lentBytesStay: Invariant = {
  name: "bytes lent to a reader stay as they are until he gives them back",
  source: "Node and Deno streams sent what had been written over the bytes meanwhile",
  needs: "bytes given back",
  check(history, findings) {
    history.forEach(["lent"], (event, index) => {
      findings.look();
      if (!event.intact)
        findings.violated(
          event.log,
          [index],
          () => `${event.log} from ${event.from}: lent bytes changed before they were given back ${when(event)}`,
        );
    });
  },
};
