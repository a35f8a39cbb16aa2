// Whatever members of a group do and whenever the broker dies: one owner a partition, nobody of the
// past commits, what was acknowledged is where the next owner begins, and in the end all is shared out.
//
// Source: correctness.md A 17.

import { test } from "node:test";
import { check } from "./check.ts";
import { runClassic } from "./groups/classic-life.ts";
import { runConsumer } from "./groups/consumer-life.ts";
import { classicStep, consumerStep, groupPlans } from "./groups/plans.ts";

test("a classic group keeps A 17 whoever comes, goes, sleeps or dies", async () => {
  await check(
    {
      name: "classic groups",
      runs: 60,
      floors: {
        convergences: 60,
        "generations assigned": 200,
        "commits acknowledged": 1200,
        "commits refused ILLEGAL_GENERATION": 25,
        "commits refused UNKNOWN_MEMBER_ID": 15,
        "commits refused FENCED_INSTANCE_ID": 5,
        "commits without an answer": 4,
        "sudden ends (answer)": 10,
        "sudden ends (write)": 4,
        "offsets fetched after a commit": 1000,
        "members left": 20,
        "members let go": 5,
        "static members replaced in a stable group": 50,
        "restarts (close)": 15,
        "restarts (kill)": 15,
        "restarts (power)": 15,
      },
    },
    groupPlans(classicStep),
    runClassic,
  );
});

test("a consumer group gives no partition to two, and converges", async () => {
  await check(
    {
      name: "consumer groups",
      runs: 60,
      floors: {
        convergences: 60,
        "partitions assigned": 700,
        revocations: 100,
        "epochs reached": 700,
        "partitions taken from who was silent": 8,
        "heartbeats refused UNKNOWN_MEMBER_ID": 4,
        "heartbeats refused UNRELEASED_INSTANCE_ID": 300,
        "heartbeats without an answer": 20,
        "commits acknowledged": 2000,
        "commits refused STALE_MEMBER_EPOCH": 15,
        "commits refused UNKNOWN_MEMBER_ID": 10,
        "sudden ends (answer)": 10,
        "sudden ends (write)": 4,
        "members left": 25,
        "static members away": 8,
        "static members replaced with what they had": 40,
        "restarts (close)": 12,
        "restarts (kill)": 12,
        "restarts (power)": 12,
        "topics: create": 15,
        "topics: widen": 3,
        "topics: delete": 3,
      },
    },
    groupPlans(consumerStep),
    runConsumer,
  );
});
