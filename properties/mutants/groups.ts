// Groups in which a partition has two owners, or a commit is forgotten.

import { commitsSurvive, ownersStartAtTheCommit } from "../checker/groups.ts";
import { oneOwnerAtATime } from "../checker/owners.ts";
import { broken, type Mutant } from "./mutant.ts";

export const groups: readonly Mutant[] = [
  {
    name: "fetch during revocation",
    source: "KAFKA-14196",
    history: "A consumer was handed records of a partition that it was giving up, and the next owner got them again.",
    here: "the consumer group gives a partition on before the member that has it says that it let go",
    file: "group/consumer-group",
    find: "if (owner === undefined || owner === member.memberId) return true;",
    replace: "return true;",
    suite: "consumer groups",
    found: [broken(oneOwnerAtATime)],
  },
  {
    name: "offsets expire on load",
    source: "KAFKA-8069",
    history: "Offsets that were read from the log were taken for expired, and deleted right after.",
    file: "group/shard",
    find: "for (const [partition, offset] of partitions) group.offsets.set(topic, partition, offset);",
    replace:
      "for (const [partition, offset] of partitions) group.offsets.set(topic, partition, { ...offset, expireTimestamp: offset.commitTimestamp });",
    suite: "classic groups",
    found: [broken(commitsSurvive), broken(ownersStartAtTheCommit)],
  },
  {
    name: "a stale offset after a commit",
    source: "redpanda#9571",
    history: "A fetch that followed an acknowledged commit got the offset of before.",
    here: "what is acknowledged is not shown while another commit of the partition is under way",
    file: "group/offset-requests",
    find: "if (failure === null && shard.find(group.id) === group)",
    replace: "if (failure === null && shard.find(group.id) === group && !group.offsets.isPending(topic, partition))",
    suite: "classic groups",
    found: [broken(commitsSurvive), broken(ownersStartAtTheCommit)],
  },
];
