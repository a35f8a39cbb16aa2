// A topic is there from its creation to its deletion, and not after.
//
// Owns: correctness.md A 18 for topics: what a list of topics must have, must not have, and may have or not, by when it was
//   asked for and answered, and when the topic was created and its deletion sent and answered.

import { when } from "../history.ts";
import type { IndexedHistory } from "./indexed.ts";
import type { Findings, Invariant } from "./invariant.ts";

/** One life of a topic whose creation was acknowledged. */
interface Topic {
  readonly id: string;
  readonly created: Fact;
  /** How many events there were when the first deletion of it was sent that may have an effect: at once, later or never. */
  mayBeGoneFrom: number;
  /** From then on it is gone for good: a deletion was answered, or it was missing after one had been sent. */
  gone: Fact | null;
  isLost: boolean;
}

interface Fact {
  readonly index: number;
  readonly words: string;
}

export const topicsOutlive: Invariant = {
  name: "A18: a topic whose creation was acknowledged exists; a deleted one stays deleted",
  source: "Moldau's docs/format.md, Metadata journal",
  needs: "a list of topics after one was created or deleted",
  check(history, findings) {
    const topics = topicsOf(history);
    history.forEach(["topics"], (event, index) => {
      const listed = new Set(event.ids);
      for (const topic of topics)
        if (topic.created.index < event.invokedAt) judgeTopic(topic, listed.has(topic.id), index, history, findings);
    });
  },
};

function topicsOf(history: IndexedHistory): Topic[] {
  const topics = new Map<string, Topic>();
  history.forEach(["create topic"], (event, index) => {
    const { id, topic, outcome } = event;
    if (outcome !== "ok" || id === undefined) return;
    const created = { index, words: `topic ${topic} was created ${when(event)}` };
    topics.set(id, { id, created, mayBeGoneFrom: Number.POSITIVE_INFINITY, gone: null, isLost: false });
  });
  history.forEach(["delete topic"], (event, index) => {
    const topic = event.id === undefined ? undefined : topics.get(event.id);
    if (topic === undefined || event.outcome === "fail") return;
    topic.mayBeGoneFrom = Math.min(topic.mayBeGoneFrom, event.invokedAt);
    if (event.outcome === "ok") topic.gone ??= { index, words: `topic ${event.topic} was deleted ${when(event)}` };
  });
  return [...topics.values()];
}

/** By a list that stands at `index`. */
function judgeTopic(topic: Topic, isListed: boolean, index: number, history: IndexedHistory, findings: Findings): void {
  const list = history.event(index);
  const { id, created, gone } = topic;
  const mustBeGone = gone !== null && gone.index < list.invokedAt;
  const mayBeGone = topic.mayBeGoneFrom <= index;
  if (mustBeGone || !mayBeGone) findings.look();
  if (isListed) {
    if (mustBeGone)
      findings.violated(
        undefined,
        [index, gone.index],
        () => `${gone.words} (id ${id}) and is listed again ${when(list)}`,
      );
  } else if (mayBeGone) {
    // A deletion has had its effect: it is not taken back.
    const found = { index, words: `topic ${id} was found deleted ${when(list)}` };
    if (gone === null || gone.index > index) topic.gone = found;
  } else if (!topic.isLost) {
    topic.isLost = true;
    findings.violated(
      undefined,
      [index, created.index],
      () => `${created.words} (id ${id}) and is not listed ${when(list)}`,
    );
  }
}
