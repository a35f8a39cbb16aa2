// Who creates, alters and deletes topics, and deletes records.
//
// Owns: topics' names.

import type { CommandTo } from "../plan.ts";
import type { Stage } from "./stage.ts";

export class Admin {
  readonly #stage: Stage;
  #topicsMade = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  createTopic(partitions: number, configs: Readonly<Record<string, string | number>>): void {
    // One name in three is used again, so that an old topic's remains could be found under it.
    const number = this.#topicsMade++;
    const name = `topic${number % 3}`;
    if (this.#stage.topics.some((topic) => topic.name === name)) return;
    this.#stage.invoke(
      `create ${name}`,
      () => this.#stage.broker.createTopic(name, { partitions, configs }),
      (answer, invokedAt) => {
        this.#stage.push(
          {
            kind: "create topic",
            topic: name,
            outcome: answer.outcome,
            ...(answer.outcome === "ok" ? { id: answer.value.id } : { code: answer.code }),
          },
          invokedAt,
        );
        if (answer.outcome === "ok") this.#stage.refreshLogs();
      },
    );
  }

  deleteTopic(index: number): void {
    const topic = this.#stage.topics[index];
    if (topic === undefined || this.#stage.topics.length < 2) return;
    // Nobody uses it any more, so that every outcome belongs to a topic that is known.
    this.#stage.topics = this.#stage.topics.filter((other) => other !== topic);
    this.#stage.logs = this.#stage.logs.filter((log) => log.topic !== topic.name);
    this.#stage.invoke(
      `delete ${topic.name}`,
      () => this.#stage.broker.deleteTopic(topic.name),
      (answer, invokedAt) =>
        this.#stage.push(
          {
            kind: "delete topic",
            topic: topic.name,
            id: topic.id,
            outcome: answer.outcome,
            ...(answer.outcome === "ok" ? {} : { code: answer.code }),
          },
          invokedAt,
        ),
    );
  }

  alterTopic(command: CommandTo<"alter">): void {
    const topic = this.#stage.topics[command.topic];
    if (topic === undefined) return;
    const { ...configs } = command.configs;
    // Changing it midway would make one value's timestamp depend on the race.
    delete (configs as Record<string, unknown>)["message.timestamp.type"];
    this.#stage.invoke(
      `alter ${topic.name}`,
      () => this.#stage.broker.alterTopic(topic.name, { configs }),
      () => this.#stage.coverage?.add("topics altered"),
    );
  }

  deleteRecords(command: CommandTo<"delete records">): void {
    const log = this.#stage.log(command.log);
    if (log === null) return;
    const { earliest, latest } = this.#stage.broker.offsets(log.topic, log.partition);
    const before = command.percent < 0 ? -1 : Math.round(earliest + ((latest - earliest) * command.percent) / 100);
    this.#stage.invoke(
      `delete records of ${log.name}`,
      () => this.#stage.broker.deleteRecords(log.topic, log.partition, before),
      (answer, invokedAt) =>
        this.#stage.push(
          {
            kind: "delete records",
            log: log.name,
            before,
            outcome: answer.outcome,
            ...(answer.outcome === "ok" ? { logStartOffset: answer.value } : { code: answer.code }),
          },
          invokedAt,
        ),
    );
  }
}
