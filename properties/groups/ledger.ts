// What consumers of one group were told, held against what must be.
//
// Owns: what breaks an invariant of correctness.md A 17, each judged as it happens.
// Never: calls a broker.
//
// A commit is named by its offset: each is another. Commits reach the broker in the order in which
// they begin, so that one which began later and was acknowledged replaces all that began before.

import { commitsSurvive, oneOwnerAGeneration, ownersStartAtTheCommit } from "../checker/groups.ts";
import type { Invariant, Violation } from "../checker/index.ts";
import { oneOwnerAtATime } from "../checker/owners.ts";
import type { Coverage } from "../coverage.ts";

interface Commit {
  readonly offset: number;
  readonly begun: number;
  acknowledged: boolean;
}

export class Ledger {
  readonly violations: Violation[] = [];
  readonly coverage: Coverage;
  readonly #commits: Map<number, Commit[]> = new Map();
  /** Generation → partition → who was told that it is his. */
  readonly #generations: Map<number, Map<number, string>> = new Map();
  #latestGeneration = -1;
  /** Partition → whose it is, and the number of the moment when he was told. */
  readonly #owners: Map<string, { readonly owner: string; readonly since: number }> = new Map();

  constructor(coverage: Coverage) {
    this.coverage = coverage;
  }

  violate({ name: invariant, source }: Invariant, message: string): void {
    if (this.violations.length < 10) this.violations.push({ invariant, source, message, events: [] });
  }

  // ---- generations -------------------------------------------------------------------------

  /** `owner`: the instance of a static member, else the member. */
  assigned(generation: number, owner: string, partitions: readonly number[]): void {
    let owners = this.#generations.get(generation);
    if (owners === undefined) {
      owners = new Map();
      this.#generations.set(generation, owners);
      this.coverage.add("generations assigned");
    }
    for (const partition of partitions) {
      const before = owners.get(partition);
      if (before !== undefined && before !== owner) {
        this.violate(oneOwnerAGeneration, `generation ${generation}: ${partition} of ${before} and ${owner}`);
      }
      owners.set(partition, owner);
    }
    this.#latestGeneration = Math.max(this.#latestGeneration, generation);
  }

  get latestGeneration(): number {
    return this.#latestGeneration;
  }

  // ---- commits -----------------------------------------------------------------------------

  /** The result hears how it ended. `latest`: the newest generation that anybody had been assigned in when it began. */
  beginCommit(partition: number, offset: number, begun: number): Commit {
    const commit = { offset, begun, acknowledged: false };
    const commits = this.#commits.get(partition);
    if (commits === undefined) this.#commits.set(partition, [commit]);
    else commits.push(commit);
    return commit;
  }

  acknowledge(commit: Commit): void {
    commit.acknowledged = true;
    this.coverage.add("commits acknowledged");
  }

  /** It certainly had no effect. */
  refuse(partition: number, commit: Commit): void {
    const commits = this.#commits.get(partition)!;
    commits.splice(commits.indexOf(commit), 1);
  }

  /** The last commit that was acknowledged by now; those that follow may or may not be there. */
  expectation(partition: number): number {
    const commits = this.#commits.get(partition) ?? [];
    return commits.reduce((last, { acknowledged, begun }) => (acknowledged ? Math.max(last, begun) : last), -1);
  }

  /** `expected`: the expectation when the fetch began. */
  fetched(partition: number, offset: number, expected: number): void {
    const commits = this.#commits.get(partition) ?? [];
    this.coverage.add("offsets fetched");
    if (offset === -1) {
      if (expected >= 0) this.violate(commitsSurvive, `partition ${partition}: nothing is committed`);
      return;
    }
    const commit = commits.find((one) => one.offset === offset);
    if (commit === undefined) {
      this.violate(commitsSurvive, `partition ${partition}: nobody committed ${offset}`);
    } else if (commit.begun < expected) {
      const last = commits.find(({ begun }) => begun === expected)!;
      this.violate(
        ownersStartAtTheCommit,
        `partition ${partition}: ${offset} came back after ${last.offset} was acknowledged`,
      );
    }
    if (expected >= 0) this.coverage.add("offsets fetched after a commit");
  }

  // ---- owners by acknowledgement -----------------------------------------------------------

  /** `mayBeGone` says of the owner before whether the broker may have given him up. */
  take(partition: string, owner: string, now: number, mayBeGone: (owner: string) => boolean): void {
    const before = this.#owners.get(partition);
    if (before !== undefined && before.owner !== owner) {
      if (!mayBeGone(before.owner)) {
        this.violate(oneOwnerAtATime, `${partition} was given to ${owner} while ${before.owner} has it`);
      }
      this.coverage.add("partitions taken from who was silent");
    }
    this.#owners.set(partition, { owner, since: now });
  }

  giveUp(partition: string, owner: string): void {
    if (this.#owners.get(partition)?.owner === owner) this.#owners.delete(partition);
  }

  ownerOf(partition: string): { readonly owner: string; readonly since: number } | undefined {
    return this.#owners.get(partition);
  }
}
