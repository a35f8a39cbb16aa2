// How the partitions of a consumer group are shared out among its members, by name.
//
//   uniform   as even as the subscriptions allow, and as much as possible stays where it was
//   range     topic by topic, neighbouring partitions in the order of the members, as Kafka's client has it
//
// Owns: the two algorithms. Never: knows epochs or what a member has now.
//
// Invariants: every partition of a topic with a subscriber has one owner, who is subscribed to it.
//   Under uniform no single partition could move to make two loads more even; with equal
//   subscriptions no two loads differ by more than one.

import { PartitionSet } from "./partition-set.ts";

export interface AssignmentMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  /** Ids of the topics it is subscribed to, those that exist. */
  readonly topicIds: ReadonlySet<string>;
  /** What it was to have before. */
  readonly before: PartitionSet;
}

/** Members and the number of partitions by topic id; the result has an entry for each member. */
export type Assignor = (
  members: readonly AssignmentMember[],
  topics: ReadonlyMap<string, number>,
) => Map<string, PartitionSet>;

const uniform: Assignor = (members, topics) => {
  const shares = members.map((member) => ({ member, assigned: new PartitionSet(), load: 0 }));
  const subscribers = subscribersOf(shares, topics);
  const give = (share: Share, topicId: string, partition: number): void => {
    share.assigned.add(topicId, partition);
    share.load += 1;
  };
  const taken = new PartitionSet();
  for (const share of shares) {
    for (const [topicId, partition] of share.member.before) {
      const isThere = share.member.topicIds.has(topicId) && partition < (topics.get(topicId) ?? 0);
      if (!isThere || taken.has(topicId, partition)) continue;
      taken.add(topicId, partition);
      give(share, topicId, partition);
    }
  }
  for (const [topicId, among] of subscribers) {
    const free: number[] = [];
    for (let partition = 0; partition < topics.get(topicId)!; partition += 1) {
      if (!taken.has(topicId, partition)) free.push(partition);
    }
    if (free.length === 0) continue;
    const queue = new LoadQueue(among);
    for (const partition of free) queue.toLeast((share) => give(share, topicId, partition));
  }
  level(subscribers);
  return new Map(shares.map(({ member, assigned }) => [member.memberId, assigned]));
};

interface Share {
  readonly member: AssignmentMember;
  readonly assigned: PartitionSet;
  load: number;
}

function subscribersOf(shares: readonly Share[], topics: ReadonlyMap<string, number>): Map<string, Share[]> {
  const ids = [...topics.keys()].sort();
  const subscribers = new Map<string, Share[]>();
  for (const id of ids) {
    const among = shares.filter(({ member }) => member.topicIds.has(id));
    if (among.length > 0) subscribers.set(id, among);
  }
  return subscribers;
}

/** Hands to whoever has least, ties by place: a heap. */
class LoadQueue {
  readonly #heap: { readonly share: Share; readonly place: number }[];

  constructor(among: readonly Share[]) {
    this.#heap = among.map((share, place) => ({ share, place })).sort((one, other) => order(one, other));
  }

  toLeast(give: (share: Share) => void): void {
    give(this.#heap[0]!.share);
    for (let place = 0; ; ) {
      let least = place;
      for (const child of [2 * place + 1, 2 * place + 2]) {
        if (child < this.#heap.length && order(this.#heap[child]!, this.#heap[least]!) < 0) least = child;
      }
      if (least === place) return;
      [this.#heap[place], this.#heap[least]] = [this.#heap[least]!, this.#heap[place]!];
      place = least;
    }
  }
}

function order(
  one: { readonly share: Share; readonly place: number },
  other: { readonly share: Share; readonly place: number },
): number {
  return one.share.load - other.share.load || one.place - other.place;
}

/** Moves partitions from who has most to who has least of the same topic's subscribers, while that evens them out. */
function level(subscribers: ReadonlyMap<string, readonly Share[]>): void {
  for (let moved = true; moved; ) {
    moved = false;
    for (const [topicId, among] of subscribers) if (levelTopic(topicId, among)) moved = true;
  }
}

// Each move lessens the sum of the squares of all loads, so that this ends.
function levelTopic(topicId: string, among: readonly Share[]): boolean {
  let moved = false;
  const byLoad = [...among].sort((one, other) => one.load - other.load);
  let low = 0;
  for (let high = byLoad.length - 1; high > low; ) {
    const from = byLoad[high]!;
    const to = byLoad[low]!;
    const partitions = from.assigned.topics.get(topicId);
    if (partitions === undefined || from.load - to.load < 2) {
      // Who has nothing of this topic may still stand before one who has.
      high -= 1;
      continue;
    }
    const [partition] = partitions as unknown as [number];
    from.assigned.delete(topicId, partition);
    to.assigned.add(topicId, partition);
    from.load -= 1;
    to.load += 1;
    moved = true;
    byLoad.sort((one, other) => one.load - other.load);
    low = 0;
    high = byLoad.length - 1;
  }
  return moved;
}

const range: Assignor = (members, topics) => {
  const name = ({ instanceId, memberId }: AssignmentMember): string => instanceId ?? memberId;
  const sorted = [...members].sort((one, other) => (name(one) < name(other) ? -1 : 1));
  const assignment = new Map(members.map(({ memberId }) => [memberId, new PartitionSet()]));
  for (const [topicId, partitions] of topics) {
    const among = sorted.filter(({ topicIds }) => topicIds.has(topicId));
    const each = Math.floor(partitions / among.length);
    const more = partitions % among.length;
    let next = 0;
    for (const [place, { memberId }] of among.entries()) {
      for (const end = next + each + (place < more ? 1 : 0); next < end; next += 1) {
        assignment.get(memberId)!.add(topicId, next);
      }
    }
  }
  return assignment;
};

/** The first is taken when no member asks for one. */
export const assignors: ReadonlyMap<string, Assignor> = new Map([
  ["uniform", uniform],
  ["range", range],
]);
export const defaultAssignor = "uniform";
