// The members that this server keeps in their groups, for clients that only read.
//
// Owns: which there are and how many there may be; they are nudged when another of their group
//   comes, goes or lets go, so that a rebalance among them takes no heartbeat's time.
// Never: a step of one (group-session.ts).

import { type Broker, type Clock, type Logger, MoldauError } from "../../engine/index.ts";
import { GroupSession, type SessionOptions } from "./group-session.ts";

/** Each has a timer and a heartbeat a second. */
const defaultMostMembers = 10_000;

export interface SessionParts {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a partition that is to go waits for a commit of what was handed out of it. 10 000. */
  readonly revokeWaitMs?: number;
  /** Members at once. 10 000. */
  readonly mostMembers?: number;
}

export class GroupSessions {
  readonly #parts: SessionParts;
  /** By group, then by member id. */
  readonly #groups: Map<string, Map<string, GroupSession>> = new Map();
  #count = 0;
  #isClosed = false;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#count;
  }

  find(group: string, memberId: string): GroupSession | undefined {
    return this.#groups.get(group)?.get(memberId);
  }

  /** Resolves when the member is in the group, with what it has for a start. */
  async join(options: SessionOptions): Promise<GroupSession> {
    if (this.#isClosed) throw stopping();
    const { mostMembers = defaultMostMembers } = this.#parts;
    if (this.#count >= mostMembers) {
      throw new MoldauError(
        "THROTTLING_QUOTA_EXCEEDED",
        `${mostMembers} members are read for already; try again later`,
      );
    }
    const { group } = options;
    this.#count += 1;
    const session = new GroupSession(options, {
      ...this.#parts,
      changed: () => this.#nudgeOthers(session),
      ended: () => {
        this.#count -= 1;
        this.#remove(session);
        this.#nudgeOthers(session);
      },
    });
    await session.join();
    // Nobody waits for the rest of a join that the stop has overtaken.
    if (this.#isClosed) {
      await session.end(stopping());
      throw stopping();
    }
    const members = this.#groups.get(group) ?? new Map<string, GroupSession>();
    this.#groups.set(group, members.set(session.memberId, session));
    this.#nudgeOthers(session);
    return session;
  }

  /** All leave, before the broker closes: a member that only vanishes holds its partitions for its session's time. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const all = [...this.#groups.values()].flatMap((members) => [...members.values()]);
    await Promise.all(all.map((session) => session.end(stopping())));
  }

  #remove(session: GroupSession): void {
    const members = this.#groups.get(session.group);
    if (members?.get(session.memberId) !== session) return;
    members.delete(session.memberId);
    if (members.size === 0) this.#groups.delete(session.group);
  }

  #nudgeOthers(one: GroupSession): void {
    for (const other of this.#groups.get(one.group)?.values() ?? []) if (other !== one) other.nudge();
  }
}

function stopping(): MoldauError {
  return new MoldauError("BROKER_CLOSED", "the broker is stopping: retry when it is back");
}
