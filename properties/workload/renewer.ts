// A process with a topic of its own, which it writes to, reads, deletes and makes anew.
//
// Owns: that topic's lives. Each is a log of its own in the history, so that a record of a life before is one that was
//   never sent there. The same name is used again where topics have ids, and another one where they have none, or when
//   nobody knows what became of a creation or a deletion.
// Never: judges; touches another's topic.

import type { Random } from "../random.ts";
import { Counter, describe, type Log, noteProduced, type Stage } from "./clients.ts";
import { noteCreated, noteTopics } from "./topics.ts";
import { toRead } from "./values.ts";

export interface RenewerOptions {
  /** What its topics' names begin with. */
  readonly name: string;
  readonly configs: Readonly<Record<string, string>>;
}

const backoffMs = 100;
/** Each life is that much longer than the one before: a long check has no more logs in its report than it needs. */
const longerMs = 300;
const mostRecords = 5;

export async function renewer(stage: Stage, process: string, random: Random, options: RenewerOptions): Promise<void> {
  const counter = new Counter(process, random);
  let names = 0;
  let topic = options.name;
  for (let life = 1; stage.working(); ) {
    // A log that is down would be given a new name with each try.
    if (!(await answers(stage))) {
      await stage.sleep(backoffMs);
      continue;
    }
    const id = await create(stage, topic, options);
    let mayStay = false;
    if (id !== null) {
      const log = { place: { topic, partition: 0 }, name: `${topic}-0@${life}`, compacted: false };
      await look(stage, process, log);
      await append(stage, process, log, counter, 1 + random.below(mostRecords));
      await stage.sleep(longerMs * life + random.below(2 * longerMs));
      life += 1;
      await look(stage, process, log);
      // The last life is there at the end, and has to be listed then.
      if (!stage.working()) return;
      mayStay = (await remove(stage, topic, id)) && id !== topic;
    }
    if (!mayStay) {
      names += 1;
      topic = `${options.name}-${names}`;
      await stage.sleep(backoffMs);
    }
  }
}

async function answers({ adapter, recorder }: Stage): Promise<boolean> {
  return (await recorder.call(async () => adapter.listTopics?.())).outcome === "ok";
}

/** What it is known by; null when that, or whether it is there, is not known. */
async function create(stage: Stage, topic: string, { configs }: RenewerOptions): Promise<string | null> {
  const { adapter, recorder } = stage;
  stage.topics.add(topic);
  const answer = await recorder.call(() => adapter.createTopic(topic, { partitions: 1, configs }));
  if (answer.outcome === "ok") return noteCreated(stage, topic, answer);
  const { outcome, code, invokedAt } = answer;
  recorder.push({ kind: "create topic", topic, outcome, code }, invokedAt);
  return null;
}

/** Whether it was heard to be gone. */
async function remove(stage: Stage, topic: string, id: string): Promise<boolean> {
  const { adapter, recorder } = stage;
  const answer = await recorder.call(async () => adapter.deleteTopic?.(topic));
  const { outcome, invokedAt } = answer;
  const code = answer.outcome === "ok" ? {} : { code: answer.code };
  recorder.push({ kind: "delete topic", topic, id, outcome, ...code }, invokedAt);
  if (outcome === "ok") await noteTopics(stage);
  return outcome === "ok";
}

async function append(stage: Stage, process: string, log: Log, counter: Counter, count: number): Promise<void> {
  const { sent, noted } = counter.records(count);
  const answer = await stage.recorder.call(() => stage.adapter.append(log.place, sent, { acks: "all" }));
  noteProduced(stage, answer, { process, log: log.name, acks: "all", records: noted, divisible: true });
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
