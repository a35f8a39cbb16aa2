// A group of the run, as its members see it together: what it consumes, and when all of it is consumed.
//
// Owns: who of its members has which log, how far each has read, and when the group has converged.
// Never: judges (checker/groups.ts), or acts for a member.

import type { LogName } from "../../history.ts";
import type { LogPlace } from "./actor.ts";

export type Protocol = "classic" | "consumer";

export class Group {
  readonly id: string;
  readonly protocol: Protocol;
  /** What it consumes. */
  readonly logs: readonly LogPlace[];
  readonly #shares: Map<string, { readonly logs: readonly LogName[]; isCaughtUp: boolean }> = new Map();
  readonly #members: Set<string> = new Set();
  #isOver = false;

  constructor(protocol: Protocol, logs: readonly LogPlace[]) {
    this.id = `${protocol}-group`;
    this.protocol = protocol;
    this.logs = logs;
  }

  enrol(member: string): void {
    this.#members.add(member);
  }

  get isUsed(): boolean {
    return this.#members.size > 0;
  }

  /** The member's whole share from now on. */
  has(member: string, logs: readonly LogName[]): void {
    this.#shares.set(member, { logs, isCaughtUp: false });
  }

  /** It has read and committed everything of its share. */
  caughtUp(member: string, isCaughtUp: boolean): void {
    const share = this.#shares.get(member);
    if (share !== undefined) share.isCaughtUp = isCaughtUp;
  }

  /** Every log is somebody's, and everybody has come to the end; stays so. */
  isConverged(isDamaged: (log: LogName) => boolean): boolean {
    if (this.#isOver) return true;
    const held = [...this.#shares.values()].flatMap(({ logs }) => logs).filter((log) => !isDamaged(log));
    const wanted = this.logs.filter(({ name }) => !isDamaged(name)).length;
    this.#isOver =
      held.length === wanted &&
      new Set(held).size === wanted &&
      [...this.#members].every((member) => this.#shares.get(member)?.isCaughtUp === true);
    return this.#isOver;
  }

  state(): string {
    return JSON.stringify([...this.#shares]);
  }
}
