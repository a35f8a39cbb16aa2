// What the members of a group were told, held against what must be.
//
// Owns: correctness.md A 17, and A 3 and A 7 for members.
// Never: compares answers that overtook each other: an answer is held against those that came
//   before it was asked for.

import type { Assigned, LogName, Read } from "../history.ts";
import { tell } from "../history.ts";
import { Commits } from "./commits.ts";
import type { IndexedHistory } from "./indexed.ts";
import type { Invariant } from "./invariant.ts";
import { Rising } from "./rising.ts";

export const oneOwnerAGeneration: Invariant = {
  name: "A17: a partition has one owner in a generation",
  source: "KIP-848; Kafka's GroupCoordinator (SyncGroup)",
  needs: "assignments",
  check(history, findings) {
    const owners = new Map<string, { readonly member: string; readonly index: number }>();
    history.forEach(["assign"], (event, index) => {
      for (const log of event.partitions) {
        const key = `${event.group} ${event.generation} ${log}`;
        const before = owners.get(key);
        findings.look();
        if (before === undefined) owners.set(key, { member: event.member, index });
        else if (before.member !== event.member)
          findings.violated(
            log,
            [index, before.index],
            () => `${log} has two owners: ${tell(history.event(before.index))}; ${tell(event)}`,
          );
      }
    });
  },
};

export const staleCommitsAreRefused: Invariant = {
  name: "A17: a commit of a stale generation is refused",
  source: "KIP-848 (STALE_MEMBER_EPOCH); Kafka's GroupCoordinator (ILLEGAL_GENERATION)",
  needs: "commits in a generation that has passed",
  check(history, findings) {
    /** The newest generation that was assigned: of a group, of a member of it, of a partition of it. */
    const newest = new Map<string, Rising>();
    const protocols = new Map<string, Assigned["protocol"]>();
    const note = (key: string, index: number, generation: number): void => {
      let rising = newest.get(key);
      if (rising === undefined) {
        rising = new Rising();
        newest.set(key, rising);
      }
      rising.add(index, generation);
    };
    history.forEach(["assign", "commit"], (event, index) => {
      if (event.kind === "assign") {
        protocols.set(event.group, event.protocol);
        note(event.group, index, event.generation);
        note(`${event.group} member ${event.member}`, index, event.generation);
        for (const log of event.partitions) note(`${event.group} log ${log}`, index, event.generation);
      } else if (event.generation >= 0) {
        const { group, member, log } = event;
        // In the classic protocol a generation is the group's, else each member has an epoch of its own.
        const keys =
          protocols.get(group) === "consumer" ? [`${group} member ${member}`, `${group} log ${log}`] : [group];
        for (const key of keys) {
          const later = newest.get(key)?.before(event.invokedAt) ?? null;
          if (later === null || later.value <= event.generation) continue;
          findings.look();
          if (event.outcome === "ok")
            findings.violated(log, [index, later.index], () => `${tell(history.event(later.index))}; ${tell(event)}`);
        }
      }
    });
  },
};

export const commitsSurvive: Invariant = {
  name: "A17: an acknowledged commit survives, and what is answered as committed was committed last",
  source: "redpanda#9571; KAFKA-8069; linearizability of a register",
  needs: "questions for committed offsets",
  check(history, findings) {
    const commits = new Commits(history);
    history.forEach(["committed"], (event, index) => {
      findings.look();
      const complaint = commits.judge(event.group, event.log, event.offset, event.invokedAt, index);
      if (complaint !== null)
        findings.violated(event.log, [index, ...complaint.events], () => `${complaint.message()}; ${tell(event)}`);
    });
  },
};

interface Tenure {
  /** The event that gave the partition to the member, and when that was asked for. */
  readonly since: number;
  readonly askedAt: number;
  position: number | null;
}

/** Follows who has which partition, and calls `delivery` with what is known of the member's tenure of it. */
function followTenures(
  history: IndexedHistory,
  delivery: (read: Read, index: number, tenure: Tenure | null, givenUpBy: number) => void,
): void {
  const shares = new Map<string, Map<LogName, Tenure>>();
  const givenUp = new Map<string, number>();
  history.forEach(["assign", "revoke", "read"], (event, index) => {
    if (event.kind === "assign") {
      const key = `${event.group} ${event.member}`;
      const before = shares.get(key);
      const share = new Map<LogName, Tenure>();
      for (const log of event.partitions)
        share.set(log, before?.get(log) ?? { since: index, askedAt: event.invokedAt, position: null });
      for (const log of before?.keys() ?? []) if (!share.has(log)) givenUp.set(`${key} ${log}`, index);
      shares.set(key, share);
    } else if (event.kind === "revoke") {
      const key = `${event.group} ${event.member}`;
      for (const log of event.partitions) if (shares.get(key)?.delete(log)) givenUp.set(`${key} ${log}`, index);
    } else if (event.manner === "group" && event.outcome === "ok") {
      const key = `${event.group} ${event.member}`;
      const tenure = shares.get(key)?.get(event.log) ?? null;
      delivery(event, index, tenure, givenUp.get(`${key} ${event.log}`) ?? -1);
      if (tenure !== null) tenure.position = event.nextOffset;
    }
  });
}

export const nothingAfterRevocation: Invariant = {
  name: "A17: nothing of a partition is delivered to a member that does not have it, or not any more",
  source: "KAFKA-14196",
  needs: "deliveries to members",
  check(history, findings) {
    followTenures(history, (read, index, tenure, givenUpBy) => {
      findings.look();
      if (tenure !== null || read.records.length === 0) return;
      const why = givenUpBy < 0 ? "it was never assigned" : tell(history.event(givenUpBy));
      findings.violated(read.log, [index, givenUpBy], () => `${why}; and ${read.member} was given more: ${tell(read)}`);
    });
  },
};

export const ownersStartAtTheCommit: Invariant = {
  name: "A17: a new owner of a partition starts at the last commit",
  source: "redpanda#9571; KIP-848",
  needs: "a member's first delivery of a partition",
  check(history, findings) {
    const commits = new Commits(history);
    followTenures(history, (read, index, tenure) => {
      if (tenure === null || tenure.position !== null) return;
      findings.look();
      // It begins anew where nothing is committed, or what follows the commit is deleted.
      const isReset = read.from === read.logStartOffset || read.from === 0;
      const last = commits.lastAcknowledged(read.group ?? "", read.log, tenure.askedAt);
      if (isReset && (last === null || last.offset <= read.from)) return;
      const complaint = commits.judge(read.group ?? "", read.log, read.from, tenure.askedAt, index);
      if (complaint !== null)
        findings.violated(
          read.log,
          [index, tenure.since, ...complaint.events],
          () => `${complaint.message()}; but the new owner began elsewhere: ${tell(read)}`,
        );
    });
  },
};

export const membersPollInOrder: Invariant = {
  name: "A3 A17: a member neither skips nor repeats while it has a partition",
  source: "Jepsen's kafka workload (nonmonotonic-poll, int-poll-skip)",
  needs: "deliveries to a member, one after the other",
  check(history, findings) {
    followTenures(history, (read, index, tenure) => {
      const position = tenure?.position ?? null;
      if (position === null) return;
      findings.look();
      if (read.from !== position && read.from !== read.logStartOffset)
        findings.violated(read.log, [index], () => `the member stood at ${position}: ${tell(read)}`);
      const first = read.records[0]?.offset;
      if (first !== undefined && (history.log(read.log).compacted ? first < read.from : first !== read.from))
        findings.violated(read.log, [index], () => `the member stood at ${read.from} and got ${first}: ${tell(read)}`);
    });
  },
};

export const committedWasDelivered: Invariant = {
  name: "A7 A17: what a group has committed was delivered to its members, without a gap",
  source: "Jepsen's kafka workload (unseen); at-least-once delivery of Kafka's consumers",
  needs: "deliveries to members, and commits",
  check(history, findings) {
    const delivered = new Map<string, Stretches>();
    history.forEach(["read", "commit"], (event, index) => {
      if (event.kind === "read" && event.manner === "group" && event.outcome === "ok") {
        const key = `${event.group} ${event.log}`;
        let stretches = delivered.get(key);
        if (stretches === undefined) {
          stretches = new Stretches();
          delivered.set(key, stretches);
        }
        // What was deleted cannot be delivered.
        stretches.add(event.from <= event.logStartOffset ? 0 : event.from, event.nextOffset);
      } else if (event.kind === "commit" && event.outcome === "ok") {
        const missing = delivered.get(`${event.group} ${event.log}`)?.firstMissing(event.offset) ?? null;
        findings.look(delivered.has(`${event.group} ${event.log}`) ? 1 : 0);
        if (missing !== null)
          findings.violated(
            event.log,
            [index],
            () => `${missing} and what follows was delivered to nobody of ${event.group}: ${tell(event)}`,
          );
      }
    });
  },
};

/** Stretches of offsets, as few as can be, in order. */
class Stretches {
  readonly #list: { from: number; to: number }[] = [];

  add(from: number, to: number): void {
    if (to <= from) return;
    let at = this.#list.length;
    while (at > 0 && (this.#list[at - 1] as { from: number }).from > from) at--;
    this.#list.splice(at, 0, { from, to });
    for (let place = Math.max(0, at - 1); place + 1 < this.#list.length && place <= at + 1; ) {
      const [one, next] = [this.#list[place], this.#list[place + 1]] as [Stretch, Stretch];
      if (next.from > one.to) place++;
      else {
        one.to = Math.max(one.to, next.to);
        this.#list.splice(place + 1, 1);
      }
    }
  }

  /** The first offset before `end` that is not in the stretch in which all began; null when all are. */
  firstMissing(end: number): number | null {
    const first = this.#list[0];
    return first === undefined || first.to >= end || end <= first.from ? null : first.to;
  }
}

type Stretch = { from: number; to: number };
