// Bytes that are lent are nobody else's until they come back.
//
// Owns: what a slow peer sees: its socket reads the bytes long after the fetch was answered.

import type { History, Invariant } from "../history.ts";
import { when } from "../history.ts";

export const lentBytesStay: Invariant = {
  name: "bytes lent to a reader stay as they are until he gives them back",
  source: "Node and Deno streams sent what had been written over the bytes meanwhile",
  check(history: History): string[] {
    return history.flatMap((event) =>
      event.kind === "lent" && !event.intact
        ? [`${event.log} from ${event.from}: lent bytes changed before they were given back ${when(event)}`]
        : [],
    );
  },
};
