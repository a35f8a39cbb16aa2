// A member of a group of the consumer protocol (KIP-848), over whatever carries its heartbeats.
//
// Owns: what a member does with an answer: gives up first and says so, then takes over; joins again
//   when it was fenced. Its id, which it has from its first breath to its last (KIP-1082): one that joins again
//   because the answer was lost takes its own place. Under a new id it would wait for a session's time for what the
//   group believes to be another's.
// Never: reads or commits by itself.

import { type GroupMember, type MemberListener, type Membership, outcomeOf, type Place } from "./contract.ts";

export interface ConsumerAnswer {
  readonly member: string;
  readonly epoch: number;
  /** null: as it was. */
  readonly assignment: readonly Place[] | null;
}

export interface ConsumerTransport {
  /** Whoever had this id before is no more. */
  join(member: string): Promise<ConsumerAnswer>;
  /** `owned` is what the member has. `asNew`: says all that a join says, so that the answer has the whole share. */
  heartbeat(member: string, epoch: number, owned: readonly Place[], asNew: boolean): Promise<ConsumerAnswer>;
  commit(member: string, epoch: number, place: Place, offset: number): Promise<void>;
  leave(member: string): Promise<void>;
}

const unknown: ReadonlySet<string> = new Set(["UNKNOWN_MEMBER_ID", "GROUP_ID_NOT_FOUND"]);
const fencing: ReadonlySet<string> = new Set([...unknown, "FENCED_MEMBER_EPOCH"]);

export class ConsumerMember implements GroupMember {
  readonly #transport: ConsumerTransport;
  readonly #listener: MemberListener;
  readonly #id: string = crypto.randomUUID();
  #membership: Membership | null = null;
  /** The group may hold it for a member. */
  #mayBeKnown = false;
  /** The last answer did not come: what it said of the share is not said again to who does not ask for it. */
  #hasMissedAnswer = false;

  constructor(transport: ConsumerTransport, listener: MemberListener) {
    this.#transport = transport;
    this.#listener = listener;
  }

  async heartbeat(): Promise<void> {
    const before = this.#membership;
    if (before === null) {
      this.#mayBeKnown = true;
      return this.#apply(await this.#transport.join(this.#id));
    }
    const asNew = this.#hasMissedAnswer;
    this.#hasMissedAnswer = true;
    try {
      const answer = await this.#transport.heartbeat(before.member, before.generation, before.partitions, asNew);
      this.#hasMissedAnswer = false;
      this.#apply(answer);
    } catch (error) {
      if (fencing.has(outcomeOf(error).code)) this.#lose();
      throw error;
    }
  }

  async commit(place: Place, offset: number, as: Membership): Promise<void> {
    await this.#transport.commit(as.member, as.generation, place, offset);
  }

  async leave(): Promise<void> {
    this.#lose();
    if (!this.#mayBeKnown) return;
    try {
      await this.#transport.leave(this.#id);
    } catch (error) {
      if (!unknown.has(outcomeOf(error).code)) throw error;
    }
    this.#mayBeKnown = false;
  }

  #lose(): void {
    const membership = this.#membership;
    this.#membership = null;
    this.#hasMissedAnswer = false;
    if (membership !== null) this.#listener.revoked(membership, membership.partitions);
  }

  #apply({ member, epoch, assignment }: ConsumerAnswer): void {
    const before = this.#membership;
    const owned = before?.partitions ?? [];
    const target = assignment ?? owned;
    const lost = owned.filter((place) => !includes(target, place));
    if (before !== null && lost.length > 0) this.#listener.revoked(before, lost);
    const share = { member, generation: epoch, partitions: target };
    this.#membership = share;
    const isNew = before === null || before.generation !== epoch || before.member !== member;
    if (isNew || target.some((place) => !includes(owned, place))) this.#listener.assigned(share);
  }
}

function includes(places: readonly Place[], { topic, partition }: Place): boolean {
  return places.some((place) => place.topic === topic && place.partition === partition);
}
