// The topics of a history, as the log lists them.
//
// Owns: when a list is believed (it was answered), and what a topic is known by: its id, or its name where the log gives
//   none. A name stands for one life of a topic there, because none is ever created anew under it; another's topics
//   are left out.
// Never: judges.

import type { LogAdapter } from "../adapter/contract.ts";
import type { Stage } from "./clients.ts";

const tries = 3;
const againMs = 100;

/** Of one topic: its id or its name; null when it is not listed, undefined when the log was not heard. */
type Identity = string | null | undefined;

/**
 * Writes down that a topic was created, under what it is known by: `noteTopics` right after says whether it is there.
 * Answers that, null when the log was not heard.
 */
export async function noteCreated(
  stage: Stage,
  topic: string,
  { invokedAt }: { readonly invokedAt: number },
): Promise<string | null> {
  const { recorder } = stage;
  stage.topics.add(topic);
  const identity = await identify(stage.adapter, recorder, topic);
  const known = identity === undefined ? {} : { id: identity ?? topic };
  recorder.push({ kind: "create topic", topic, outcome: "ok", ...known }, invokedAt);
  return identity === undefined ? null : (identity ?? topic);
}

/** Writes down which of the history's topics the log lists now; nothing when it can't be heard. */
export async function noteTopics({ adapter, recorder, topics }: Stage): Promise<void> {
  if (!adapter.supports.listTopics) return;
  const answer = await listed(adapter, recorder);
  if (answer === null) return;
  const ids = answer.value.flatMap(({ topic, id }) => (topics.has(topic) ? [id ?? topic] : []));
  recorder.push({ kind: "topics", ids }, answer.invokedAt);
}

async function identify(adapter: LogAdapter, recorder: Stage["recorder"], topic: string): Promise<Identity> {
  if (!adapter.supports.listTopics) return undefined;
  const answer = await listed(adapter, recorder);
  if (answer === null) return undefined;
  const found = answer.value.find((one) => one.topic === topic);
  return found === undefined ? null : (found.id ?? topic);
}

type Listed = Awaited<ReturnType<NonNullable<LogAdapter["listTopics"]>>>;

async function listed(
  adapter: LogAdapter,
  recorder: Stage["recorder"],
): Promise<{ value: Listed; invokedAt: number } | null> {
  for (let tried = 1; ; tried++) {
    const answer = await recorder.call(async () => (await adapter.listTopics?.()) ?? []);
    if (answer.outcome === "ok") return answer;
    if (tried === tries) return null;
    await new Promise((resolve) => setTimeout(resolve, againMs));
  }
}
