// A process with a topic of its own, which it writes to, reads, deletes and makes anew.
//
// Owns: that topic's lives. Each is a log of its own in the history, so that a record of a life before is one that was
//   never sent there. The same name is used again where topics have ids, and another one where they have none, or when
//   nobody knows what became of a creation, a deletion or an append: that may still come, and land in the next life.
//   What is refused is tried again less and less often, and it ends when that goes on: no topics pile up.
// Never: judges; touches another's topic.

import type { Outcome } from "../history.ts";
import type { Random } from "../random.ts";
import { Counter, describe, type Log, noteProduced, type Stage } from "./clients.ts";
import type { Answer } from "./recorder.ts";
import { noteCreated, noteTopics } from "./topics.ts";
import { toRead } from "./values.ts";

export interface RenewerOptions {
  /** What its topics' names begin with. */
  readonly name: string;
  readonly configs: Readonly<Record<string, string>>;
  /** Each life is about that much longer than the one before: a long check has no more logs in its report than it needs. */
  readonly longerMs: number;
}

const backoffMs = 100;
/** After a creation or a deletion that did not come off, doubled with each, up to this. */
const longestBackoffMs = 5000;
/** One after the other; about 20 s of them. */
const mostTries = 10;
const mostRecords = 5;

export async function renewer(
  stage: Stage,
  process: string,
  random: Random,
  { name, configs, longerMs }: RenewerOptions,
): Promise<void> {
  const counter = new Counter(process, random);
  let names = 0;
  let topic = name;
  const rename = (): void => {
    names += 1;
    topic = `${name}-${names}`;
  };
  for (let life = 1; ; life++) {
    const id = await insist(stage, async () => {
      const created = await create(stage, topic, configs);
      if (created.outcome !== "fail" && created.id === null) rename();
      return created.id;
    });
    if (id === null) return;
    const log = { place: { topic, partition: 0 }, name: `${topic}-0@${life}`, compacted: false };
    await look(stage, process, log);
    const appended = await append(stage, process, log, counter, 1 + random.below(mostRecords));
    await stage.sleep(longerMs * life + random.below(2 * longerMs));
    await look(stage, process, log);
    await noteTopics(stage);
    // The last life is there at the end, and has to be listed then.
    const deleted = await insist(stage, async () => {
      const outcome = await remove(stage, topic, id);
      return outcome === "fail" ? null : outcome;
    });
    if (deleted === null) return;
    if (deleted !== "ok" || appended === "info" || id === topic) {
      rename();
      await stage.sleep(backoffMs);
    }
  }
}

/** Tries until it has come off; null when it never does, or the work has ended. */
async function insist<T>(stage: Stage, attempt: () => Promise<T | null>): Promise<T | null> {
  let pauseMs = backoffMs;
  for (let tries = 0; tries < mostTries && stage.working(); ) {
    // A log that is down has refused nothing.
    if (!(await answers(stage))) {
      await stage.sleep(backoffMs);
      continue;
    }
    // The work may have ended meanwhile.
    if (!stage.working()) return null;
    const done = await attempt();
    if (done !== null) return done;
    tries += 1;
    if (tries < mostTries) await stage.sleep(pauseMs);
    pauseMs = Math.min(2 * pauseMs, longestBackoffMs);
  }
  return null;
}

async function answers({ adapter, recorder }: Stage): Promise<boolean> {
  return (await recorder.call(async () => adapter.listTopics?.())).outcome === "ok";
}

/** `id` is what it is known by; null when that, or whether it is there, is not known. */
async function create(
  stage: Stage,
  topic: string,
  configs: RenewerOptions["configs"],
): Promise<{ readonly outcome: Outcome; readonly id: string | null }> {
  const { adapter, recorder } = stage;
  const answer = await recorder.call(() => adapter.createTopic(topic, { partitions: 1, configs }));
  if (answer.outcome === "ok") return { outcome: "ok", id: await noteCreated(stage, topic, answer) };
  const { code, invokedAt } = answer;
  const outcome = effectOf(answer, "TOPIC_ALREADY_EXISTS");
  // It may be there, and be listed.
  if (outcome === "info") stage.topics.add(topic);
  recorder.push({ kind: "create topic", topic, outcome, code }, invokedAt);
  return { outcome, id: null };
}

async function remove(stage: Stage, topic: string, id: string): Promise<Outcome> {
  const { adapter, recorder } = stage;
  const answer = await recorder.call(async () => adapter.deleteTopic?.(topic));
  const { invokedAt } = answer;
  const outcome = effectOf(answer, "UNKNOWN_TOPIC_OR_PARTITION");
  const code = answer.outcome === "ok" ? {} : { code: answer.code };
  recorder.push({ kind: "delete topic", topic, id, outcome, ...code }, invokedAt);
  if (outcome === "ok") await noteTopics(stage);
  return outcome;
}

/**
 * Nobody else makes this topic, or deletes it: `code` says that it was done already, and is what a request is answered
 * with that went another way as well, as from a broker to one controller and to the next.
 */
function effectOf(answer: Answer<unknown>, code: string): Outcome {
  return answer.outcome === "fail" && answer.code === code ? "info" : answer.outcome;
}

async function append(stage: Stage, process: string, log: Log, counter: Counter, count: number): Promise<Outcome> {
  const { sent, noted } = counter.records(count);
  const answer = await stage.recorder.call(() => stage.adapter.append(log.place, sent, { acks: "all" }));
  noteProduced(stage, answer, { process, log: log.name, acks: "all", records: noted, divisible: true });
  return answer.outcome;
}

/** Where it begins and ends, and all that there is of it. */
async function look(stage: Stage, process: string, log: Log): Promise<void> {
  const { adapter, recorder } = stage;
  await describe(stage, log, false);
  const answer = await recorder.call(() => adapter.read(log.place, { offset: 0, maxWaitMs: 0 }));
  if (answer.outcome !== "ok") return;
  const { records, ...rest } = answer.value;
  recorder.push(
    {
      ...{ kind: "read", process, log: log.name, manner: "fetch", from: 0, outcome: "ok" },
      ...{ ...rest, records: records.map(toRead) },
    },
    answer.invokedAt,
  );
}
