// A group of the run, as its members see it together: what it consumes, and when all of it is consumed.
//
// Owns: who of its members has which log, how far each has read, and when the group has converged.
// Never: judges (checker/groups.ts), or acts for a member.

import type { LogName } from "../../history.ts";
import type { LogPlace } from "./actor.ts";

export type Protocol = "classic" | "consumer";

interface Share {
  readonly logs: readonly LogName[];
  /** Under which name the history knows who has it. */
  readonly as: string;
  isCaughtUp: boolean;
  /** When the request was sent whose answer left it to its owner. */
  heardMs: number;
}

/** Of a log that somebody is given: who has it still. */
export interface Holder {
  readonly member: string;
  readonly log: LogName;
  readonly heardMs: number;
}

export class Group {
  readonly id: string;
  readonly protocol: Protocol;
  /** What it consumes. */
  readonly logs: readonly LogPlace[];
  readonly #shares: Map<string, Share> = new Map();
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
  has(member: string, logs: readonly LogName[], as: string, heardMs: number): void {
    const before = this.#shares.get(member);
    // Told to let go of something it may have been told so before, without hearing it: it is waited for since then.
    const isLess = before?.logs.some((log) => !logs.includes(log)) === true;
    this.#shares.set(member, { logs, as, isCaughtUp: false, heardMs: isLess ? before.heardMs : heardMs });
  }

  /** The coordinator has left the member all that it has, in its answer to what was sent then. */
  left(member: string, heardMs: number): void {
    const share = this.#shares.get(member);
    if (share !== undefined) share.heardMs = heardMs;
  }

  /** Others who have one of these logs, as far as they know. */
  holders(logs: readonly LogName[], exceptFor: string): Holder[] {
    const holders: Holder[] = [];
    for (const [name, { logs: held, as, heardMs }] of this.#shares) {
      if (name === exceptFor) continue;
      for (const log of held) if (logs.includes(log)) holders.push({ member: as, log, heardMs });
    }
    return holders;
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
    return JSON.stringify([...this.#shares].map(([name, { logs, isCaughtUp }]) => [name, { logs, isCaughtUp }]));
  }
}
