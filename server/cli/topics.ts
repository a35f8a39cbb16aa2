// `moldau topics`: create, list, describe, delete, alter.
//
// Owns: the subcommands and their tables. Never: decides what a topic may be; the server does.

import type { Command } from "commander";
import { Client, ClientError, type TopicDescription, topicPath } from "./client.ts";
import type { CommandContext } from "./options.ts";
import { urlOption } from "./options.ts";
import { collectConfig, parseInteger } from "./parse.ts";
import { count, size } from "./progress.ts";

interface Flags {
  readonly url: string;
  readonly json?: boolean;
  readonly partitions?: number;
  readonly config?: Readonly<Record<string, string | null>>;
}

interface TopicList {
  readonly topics: readonly {
    readonly name: string;
    readonly id: string;
    readonly partitions: number;
    readonly internal?: true;
  }[];
}

export function addTopics(program: Command, context: CommandContext): void {
  const print = (text: string): Promise<void> => context.runtime.process.writeOut(new TextEncoder().encode(text));
  const printJson = (value: unknown): Promise<void> => print(`${JSON.stringify(value, null, 2)}\n`);

  const topics = program.command("topics").description("create, list, describe, alter and delete topics");
  topics.addHelpText(
    "after",
    "\nExamples:\n  moldau topics create events --partitions 3\n  moldau topics list\n  moldau topics describe events",
  );

  topics
    .command("create")
    .description("create topics; one that is there with the same partitions and configs is fine")
    .argument("<topic...>")
    .option("-p, --partitions <count>", "partitions", parseInteger("The count of partitions", 1), 1)
    .option("-c, --config <name=value>", "a config, e.g. retention.ms=3600000; may be repeated", collectConfig)
    .option("--json", "print JSON")
    .addOption(urlOption())
    .addHelpText(
      "after",
      examples(
        "moldau topics create events",
        "moldau topics create clicks -p 6 -c retention.ms=86400000 -c segment.bytes=67108864",
      ),
    )
    .action(async (names: string[], flags: Flags) => {
      const client = new Client(flags.url);
      for (const name of names) {
        const body = { partitions: flags.partitions, configs: flags.config ?? {} };
        const response = await client.send(topicPath(name), { method: "PUT", body });
        const topic = (await response.json()) as TopicDescription;
        if (flags.json === true) await printJson(topic);
        else
          await print(
            `${response.status === 201 ? "created" : "was there already:"} ${name}, ${partitionsOf(topic.partitions.length)}\n`,
          );
      }
    });

  topics
    .command("list")
    .description("list the topics")
    .option("--json", "print JSON")
    .addOption(urlOption())
    .addHelpText("after", examples("moldau topics list", "moldau topics list --json"))
    .action(async (flags: Flags) => {
      const list = await new Client(flags.url).json<TopicList>("/v1/topics");
      if (flags.json === true) return printJson(list.topics);
      await print(
        table([
          ["TOPIC", "PARTITIONS", "ID", ""],
          ...list.topics.map(({ name, partitions, id, internal }) => [
            ...[name, String(partitions), id],
            internal === true ? "(internal)" : "",
          ]),
        ]),
      );
    });

  topics
    .command("describe")
    .description("show partitions, offsets and configs")
    .argument("<topic...>")
    .option("--json", "print JSON")
    .addOption(urlOption())
    .addHelpText("after", examples("moldau topics describe events", "moldau topics describe events --json"))
    .action(async (names: string[], flags: Flags) => {
      const client = new Client(flags.url);
      for (const name of names) {
        const topic = await describeOrExplain(client, name);
        if (flags.json === true) await printJson(topic);
        else await print(describe(topic));
      }
    });

  topics
    .command("alter")
    .description("change configs, or add partitions")
    .argument("<topic>")
    .option(
      "-p, --partitions <count>",
      "the new total; never fewer than there are",
      parseInteger("The count of partitions", 1),
    )
    .option("-c, --config <name=value>", "set a config; name= goes back to the default; may be repeated", collectConfig)
    .option("--json", "print JSON")
    .addOption(urlOption())
    .addHelpText(
      "after",
      examples(
        "moldau topics alter events -c retention.ms=3600000",
        "moldau topics alter events -c retention.ms= -p 6",
      ),
    )
    .action(async (name: string, flags: Flags) => {
      const body = { partitions: flags.partitions, configs: flags.config ?? {} };
      const topic = await new Client(flags.url).json<TopicDescription>(topicPath(name), { method: "PATCH", body });
      if (flags.json === true) await printJson(topic);
      else await print(describe(topic));
    });

  topics
    .command("delete")
    .description("delete topics and their records")
    .argument("<topic...>")
    .addOption(urlOption())
    .addHelpText("after", examples("moldau topics delete events"))
    .action(async (names: string[], flags: Flags) => {
      const client = new Client(flags.url);
      for (const name of names) {
        await client.send(topicPath(name), { method: "DELETE" });
        await print(`deleted ${name}\n`);
      }
    });
}

/** A topic, or an error that says how to make one. */
export async function describeOrExplain(client: Client, topic: string): Promise<TopicDescription> {
  try {
    return await client.describe(topic);
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== "UNKNOWN_TOPIC_OR_PARTITION") throw error;
    throw new ClientError(
      error.code,
      `topic '${topic}' does not exist: create it with \`moldau topics create ${topic}\``,
      false,
      error,
    );
  }
}

function describe(topic: TopicDescription): string {
  const rows = topic.partitions.map((partition) => [
    String(partition.partition),
    partition.state,
    count(partition.logStartOffset),
    count(partition.highWatermark),
    count(partition.logEndOffset),
    String(partition.leaderEpoch),
    String(partition.segments),
    size(partition.sizeBytes),
  ]);
  const partitions = table([
    ["PARTITION", "STATE", "LOG START", "HIGH WATERMARK", "LOG END", "EPOCH", "SEGMENTS", "SIZE"],
    ...rows,
  ]);
  const reasons = topic.partitions
    .filter(({ reason }) => reason !== undefined)
    .map(({ partition, state, reason }) => `partition ${partition} is ${state}: ${reason}\n`)
    .join("");
  const configs = table(
    Object.entries(topic.configs).map(([name, { value, source }]) => [
      `  ${name}`,
      value,
      source === "default" ? "" : `(${source})`,
    ]),
  );
  return `${topic.name}  ${topic.id}  ${partitionsOf(topic.partitions.length)}\n\n${partitions}${reasons}\nconfigs\n${configs}\n`;
}

function partitionsOf(partitions: number): string {
  return `${partitions} partition${partitions === 1 ? "" : "s"}`;
}

export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join("");
}

export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
