// The topics of a history, as the log lists them.
//
// Owns: when a list is believed (it was answered, and nothing is being created or deleted meanwhile), and what a
//   topic is known by: its id, or its name where the log gives none. A name stands for one life of a topic
//   because no topic of a history is ever created anew under it; another's are left out.
// Never: judges.

import type { LogAdapter } from "../adapter/contract.ts";
import type { Stage } from "./clients.ts";

const tries = 3;
const againMs = 100;

/** Of one topic: its id or its name; null when it is not listed, undefined when the log was not heard. */
type Identity = string | null | undefined;

/** Writes down that a topic was created, under what it is known by: `noteTopics` right after says whether it is there. */
export async function noteCreated(
  stage: Stage,
  topic: string,
  { invokedAt }: { readonly invokedAt: number },
): Promise<void> {
  const { recorder } = stage;
  const identity = await identify(stage.adapter, recorder, topic);
  const known = identity === undefined ? {} : { id: identity ?? topic };
  recorder.push({ kind: "create topic", topic, outcome: "ok", ...known }, invokedAt);
}

/** Writes down which of the history's topics the log lists now; nothing when it can't be heard. */
export async function noteTopics({ adapter, recorder, logs }: Stage): Promise<void> {
  if (!adapter.supports.listTopics) return;
  const ours = new Set(logs.map(({ place }) => place.topic));
  const answer = await listed(adapter, recorder);
  if (answer === null) return;
  const ids = answer.value.flatMap(({ topic, id }) => (ours.has(topic) ? [id ?? topic] : []));
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
