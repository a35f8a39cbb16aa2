import { deepStrictEqual, match, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { MoldauError, memoryStorage, StorageError, type StorageOperation } from "../../../engine/index.ts";
import { createTopics } from "../schema/create-topics.ts";
import { apis } from "../schema/index.ts";
import { openAsked, said } from "./admin.test.support.ts";
import { adminHandlers } from "./admin.ts";
import { answerEach, maxNamed, type Outcome, outcomeOf, Refusal } from "./outcome.ts";

const logged: string[] = [];
const face = { logger: { log: (level: string, message: string) => void logged.push(`${level}: ${message}`) } };

test("an outcome has Kafka's code and the words of the error, and what nobody foresaw is logged", () => {
  const words = (error: unknown): string => said(outcomeOf(error, face));
  strictEqual(words(new Refusal("INVALID_REPLICA_ASSIGNMENT", "why")), "INVALID_REPLICA_ASSIGNMENT: why");
  strictEqual(words(new MoldauError("KAFKA_STORAGE_ERROR", "full")), "KAFKA_STORAGE_ERROR: full");
  strictEqual(words(new MoldauError("BROKER_CLOSED", "stopping")), "NOT_LEADER_OR_FOLLOWER: stopping");
  deepStrictEqual(logged, []);
  strictEqual(words(new TypeError("oops")), "UNKNOWN_SERVER_ERROR: oops");
  deepStrictEqual(logged, ["error: an admin request failed: oops"]);
});

test("what is quoted is cut, so that an answer can be written", () => {
  const { errorMessage } = outcomeOf(new Refusal("INVALID_REQUEST", "😀".repeat(20_000)), face);
  match(errorMessage!, /^(😀){500}\.\.\.$/);
});

test("every name is answered once, in order, and all begin before one ends", async () => {
  let begun = 0;
  const answering = (items: readonly string[]): Promise<string[]> =>
    answerEach(face, {
      what: "things",
      items,
      nameOf: (item) => item,
      async answer(item) {
        begun += 1;
        await Promise.resolve();
        strictEqual(begun, 2);
        return `${item} is done`;
      },
      refused: (item, outcome: Outcome) => `${item}: ${said(outcome)}`,
    });
  deepStrictEqual(await answering(["b", "a", "c", "a"]), [
    "b is done",
    "a: INVALID_REQUEST: a is in the request 2 times",
    "c is done",
  ]);
  await rejects(async () => answering(Array(maxNamed + 1).fill("x")), /10001 things in one request: the most is 10000/);
});

test("each API of administration has a handler", async () => {
  const { broker } = await openAsked();
  const handlers = adminHandlers({ broker } as Parameters<typeof adminHandlers>[0]);
  const keys = [19, 20, 21, 32, 33, 35, 37, 44, 60];
  deepStrictEqual(
    handlers.map(({ api }) => api.key),
    keys,
  );
  deepStrictEqual(
    handlers.map(({ api }) => api),
    apis.filter(({ key }) => keys.includes(key)),
  );
});

test("a disk that is full is told in the answer, and nothing else is refused for it", async () => {
  const isFull = ({ kind, paths }: StorageOperation): boolean => kind === "append" && paths[0]!.startsWith("large-1/");
  const onOperation = (operation: StorageOperation): void => {
    if (isFull(operation)) throw new StorageError("no-space", "the disk is full");
  };
  const { broker, ask } = await openAsked({}, memoryStorage({ onOperation }));
  const topic = { numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] };
  const { topics } = await ask(createTopics, 7, { topics: ["large", "small"].map((name) => ({ name, ...topic })) });
  match(said(topics[0]!), /^KAFKA_STORAGE_ERROR: .*large.*the disk is full/);
  strictEqual(said(topics[1]!), "NONE");
  deepStrictEqual(
    broker.listTopics().map(({ name }) => name),
    ["small"],
  );
});
