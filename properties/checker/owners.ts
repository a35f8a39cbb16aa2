// Two members at once.
//
// Owns: the part of correctness.md A 17 that is about time: a share is given on when it was given up, or when
//   its owner has been silent for as long as a coordinator waits.
// Never: takes an owner for gone because he is slow: what he was told last counts, from when he asked. Compares
//   answers that overtook each other.

import type { LogName } from "../history.ts";
import { tell } from "../history.ts";
import type { Invariant } from "./invariant.ts";

interface Tenure {
  readonly member: string;
  readonly index: number;
}

export const oneOwnerAtATime: Invariant = {
  name: "A17: a partition is given to nobody while another member has it that is heard from",
  source: "KIP-848 (a partition is assigned once its owner has let go); KAFKA-14196",
  needs: "a partition that was given to a member while another had it, and when that one was heard last",
  check(history, findings) {
    /** By group and log. */
    const owners = new Map<string, Tenure>();
    /** By group and member. */
    const shares = new Map<string, readonly LogName[]>();
    /** By group, log and member: when he asked whose answer left the log to him. */
    const heard = new Map<string, { readonly sentMs: number; readonly patienceMs: number }>();
    const release = (group: string, member: string, log: LogName): void => {
      if (owners.get(`${group} ${log}`)?.member === member) owners.delete(`${group} ${log}`);
    };
    history.forEach(["heard", "revoke", "assign"], (event, index) => {
      if (event.kind === "heard") heard.set(`${event.group} ${event.log} ${event.member}`, event);
      else if (event.kind === "revoke") for (const log of event.partitions) release(event.group, event.member, log);
      else {
        const { group, member, partitions } = event;
        for (const log of shares.get(`${group} ${member}`) ?? [])
          if (!partitions.includes(log)) release(group, member, log);
        shares.set(`${group} ${member}`, partitions);
        for (const log of partitions) {
          const key = `${group} ${log}`;
          const before = owners.get(key);
          // An answer that was under way when another owner was told may be from before him: he stays.
          if (before !== undefined && before.member !== member && before.index >= event.invokedAt) continue;
          owners.set(key, { member, index });
          if (before === undefined || before.member === member) continue;
          const last = heard.get(`${key} ${before.member}`);
          if (last === undefined) continue;
          findings.look();
          const silentMs = event.atMs - last.sentMs;
          if (silentMs >= last.patienceMs) continue;
          findings.violated(
            log,
            [index, before.index],
            () =>
              `${log} was given away though its owner was heard ${Math.round(silentMs)} ms before, and may be silent for ${last.patienceMs}: ${tell(history.event(before.index))}; ${tell(event)}`,
          );
        }
      }
    });
  },
};
