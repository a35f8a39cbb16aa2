// The groups' numbers in /metrics.
//
// Owns: their names and help, and which groups have a lag of their own there: a bounded number of series, whatever clients
//   call their groups, and bounded work a scrape.
// Never: counts what groups do (engine/group does), or what a lag is (group-offsets.ts).

import type { Gauge, Registry } from "prom-client";
import type { Broker, GroupMetrics } from "../../engine/index.ts";
import { standing } from "./group-offsets.ts";

/** Series of `moldau_group_lag`: those that lag most. */
export const mostGroupsWithLag: number = 100;
/** Committed offsets that one scrape looks at, so that it takes milliseconds. */
export const mostOffsetsLookedAt: number = 20_000;

export interface Lags {
  /** The greatest first. */
  readonly groups: readonly { readonly groupId: string; readonly lag: number }[];
  /** Committed offsets of these. */
  readonly offsets: number;
}

/** What there is to read for each group beyond what it has committed; partitions that cannot be read are left out. */
export function greatestLags(broker: Broker, mostGroups: number, mostOffsets: number): Lags {
  const all: { readonly groupId: string; lag: number; offsets: number }[] = [];
  let lookedAt = 0;
  for (const { groupId, topic, partition, committedOffset } of broker.groups.committedOffsets()) {
    let group = all.at(-1);
    if (lookedAt === mostOffsets) {
      // Half of a group would be a wrong lag.
      if (group?.groupId === groupId) all.pop();
      break;
    }
    lookedAt += 1;
    if (group?.groupId !== groupId) all.push((group = { groupId, lag: 0, offsets: 0 }));
    group.lag += standing(broker, topic, partition, committedOffset).lag ?? 0;
    group.offsets += 1;
  }
  const groups = all.sort((one, other) => other.lag - one.lag).slice(0, mostGroups);
  return { groups, offsets: groups.reduce((sum, { offsets }) => sum + offsets, 0) };
}

type Kinds = Pick<typeof import("prom-client"), "Counter" | "Gauge">;

export function registerGroupMetrics(broker: Broker, registry: Registry, { Counter, Gauge }: Kinds): void {
  const registers = [registry];
  const groups: Gauge = new Gauge({
    name: "moldau_groups",
    help: "Groups, by protocol and state",
    labelNames: ["type", "state"],
    registers,
    collect() {
      groups.reset();
      for (const { groupType, groupState, count } of broker.groups.metrics().groups)
        groups.set({ type: groupType, state: groupState }, count);
    },
  });
  const level = (name: string, help: string, key: Exclude<keyof GroupMetrics, "groups">): void => {
    const gauge: Gauge = new Gauge({
      ...{ name, help, registers },
      collect: () => gauge.set(broker.groups.metrics()[key]),
    });
  };
  level("moldau_group_members", "Members of all groups", "members");
  level("moldau_committed_offsets", "Offsets that groups have committed", "committedOffsets");
  const rebalances = new Counter({
    name: "moldau_group_rebalances_total",
    help: "Rebalances of classic groups, and assignments made by the broker",
    registers,
    collect() {
      rebalances.reset();
      rebalances.inc(broker.groups.metrics().rebalances);
    },
  });
  let omitted = 0;
  const lag: Gauge = new Gauge({
    name: "moldau_group_lag",
    help: `Records beyond what a group has committed, of the ${mostGroupsWithLag} groups that lag most`,
    labelNames: ["group"],
    registers,
    collect() {
      const found = greatestLags(broker, mostGroupsWithLag, mostOffsetsLookedAt);
      lag.reset();
      for (const { groupId, lag: records } of found.groups) lag.set({ group: groupId }, records);
      omitted = broker.groups.metrics().committedOffsets - found.offsets;
    },
  });
  // A registry collects in the order of registration, so that this is of the same scrape.
  const omittedOffsets: Gauge = new Gauge({
    name: "moldau_group_lag_omitted_offsets",
    help: "Committed offsets of groups that have no moldau_group_lag",
    registers,
    collect: () => omittedOffsets.set(omitted),
  });
}
