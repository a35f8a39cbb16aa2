// `moldau groups`: list, describe, reset-offsets, delete.
//
// Owns: the subcommands and their tables, and which offset each partition is set to.
// Never: decides who may commit; the server does. A group that has members is not reset.

import { type Command, InvalidArgumentError } from "commander";
import { Client, ClientError } from "./client.ts";
import { type CommandContext, oneOf, UserError, urlOption } from "./options.ts";
import { type From, parseFrom } from "./parse.ts";
import { count } from "./progress.ts";
import { describeOrExplain, examples, table } from "./topics.ts";

interface Flags {
  readonly url: string;
  readonly format: string;
  readonly to?: From;
  readonly topic?: readonly string[];
  readonly dryRun?: boolean;
}

export interface Assigned {
  readonly topic: string;
  readonly partitions: readonly number[];
}

export interface GroupDescription {
  readonly group: string;
  readonly type: string;
  readonly state: string;
  readonly epoch: number;
  readonly assignor: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly clientId: string;
    readonly clientHost: string;
    readonly memberEpoch: number;
    readonly assignment: readonly Assigned[] | null;
    readonly target?: readonly Assigned[];
  }[];
  readonly offsets: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
    readonly highWatermark: number | null;
    readonly lag: number | null;
  }[];
}

interface GroupList {
  readonly groups: readonly { readonly group: string; readonly type: string; readonly state: string }[];
}

interface Reset {
  readonly topic: string;
  readonly partition: number;
  /** null: nothing is committed. */
  readonly from: number | null;
  readonly to: number;
}

export function groupPath(group: string): string {
  return `/v1/groups/${encodeURIComponent(group)}`;
}

export function addGroups(program: Command, context: CommandContext): void {
  const print = (text: string): Promise<void> => context.runtime.process.writeOut(new TextEncoder().encode(text));
  const printJson = (value: unknown): Promise<void> => print(`${JSON.stringify(value, null, 2)}\n`);
  const formatted = (command: Command): Command =>
    command.option("-f, --format <format>", "text or json", oneOf("text", "json"), "text").addOption(urlOption());

  const groups = program.command("groups").description("list, describe, reset and delete consumer groups");
  groups.addHelpText(
    "after",
    examples(
      "moldau groups list",
      "moldau groups describe billing",
      "moldau groups reset-offsets billing --to earliest",
    ),
  );

  formatted(groups.command("list"))
    .description("list the groups")
    .addHelpText("after", examples("moldau groups list", "moldau groups list --format json"))
    .action(async (flags: Flags) => {
      const list = await new Client(flags.url).json<GroupList>("/v1/groups");
      if (flags.format === "json") return printJson(list.groups);
      const rows = list.groups.map(({ group, type, state }) => [group, type, state]);
      await print(table([["GROUP", "PROTOCOL", "STATE"], ...rows]));
    });

  formatted(groups.command("describe"))
    .description("show members, what they have, committed offsets and lag")
    .argument("<group...>")
    .addHelpText("after", examples("moldau groups describe billing", "moldau groups describe billing --format json"))
    .action(async (names: string[], flags: Flags) => {
      const client = new Client(flags.url);
      for (const name of names) {
        const group = await client.json<GroupDescription>(groupPath(name));
        if (flags.format === "json") await printJson(group);
        else await print(describe(group));
      }
    });

  formatted(groups.command("reset-offsets"))
    .description("set where a group that has no members goes on")
    .argument("<group>")
    .requiredOption(
      "--to <position>",
      "earliest, latest, an offset (42), a count before the end (-10), a time (@2026-01-31T08:00Z, @ms)",
      parseFrom,
    )
    .option(
      "-t, --topic <topic[:partition]>",
      "only this; may be repeated (default: all it has committed)",
      collectTopic,
    )
    .option("--dry-run", "only say what would be set")
    .addHelpText(
      "after",
      examples(
        "moldau groups reset-offsets billing --to earliest",
        "moldau groups reset-offsets billing --to @2026-01-31T08:00:00Z --topic events --dry-run",
        "moldau groups reset-offsets billing --to 42 --topic events:0",
      ),
    )
    .action(async (name: string, flags: Flags) => {
      const client = new Client(flags.url);
      const resets = await planReset(client, name, flags);
      if (flags.dryRun !== true) {
        const offsets = resets.map(({ topic, partition, to }) => ({ topic, partition, offset: to }));
        await commitAll(client, name, offsets);
      }
      if (flags.format === "json") return printJson(resets);
      const rows = resets.map(({ topic, partition, from, to }) => [
        ...[topic, String(partition), from === null ? "-" : count(from), count(to)],
      ]);
      await print(table([["TOPIC", "PARTITION", "FROM", "TO"], ...rows]));
      if (flags.dryRun === true) await print("nothing was set: this was a dry run\n");
    });

  groups
    .command("delete")
    .description("delete groups that have no members, with their offsets")
    .argument("<group...>")
    .addOption(urlOption())
    .addHelpText("after", examples("moldau groups delete billing"))
    .action(async (names: string[], flags: Flags) => {
      const client = new Client(flags.url);
      for (const name of names) {
        await client.send(groupPath(name), { method: "DELETE" });
        await print(`deleted ${name}\n`);
      }
    });
}

function collectTopic(text: string, before: readonly string[] = []): string[] {
  if (/^[a-zA-Z0-9._-]+(?::\d{1,9})?$/.test(text)) return [...before, text];
  throw new InvalidArgumentError("Give a topic, or a topic and a partition: events, events:0.");
}

async function planReset(client: Client, name: string, flags: Flags): Promise<Reset[]> {
  const group = await describeIfThere(client, name);
  if (group !== null && group.members.length > 0) {
    const members = `${group.members.length} member${group.members.length === 1 ? "" : "s"}`;
    throw new UserError(`group '${name}' has ${members}: stop them first, they would go on where they are`);
  }
  const committed = new Map(group?.offsets.map((one) => [`${one.topic}:${one.partition}`, one.offset]));
  const wanted = new Map<string, { readonly topic: string; readonly partition: number }>();
  for (const text of flags.topic ?? [...committed.keys()]) {
    const [topic = "", digits] = text.split(":");
    if (digits !== undefined) wanted.set(`${topic}:${Number(digits)}`, { topic, partition: Number(digits) });
    else
      for (const { partition } of (await describeOrExplain(client, topic)).partitions)
        wanted.set(`${topic}:${partition}`, { topic, partition });
  }
  if (wanted.size === 0) throw new UserError(`group '${name}' has committed nothing: say of which topics with --topic`);
  const resets: Reset[] = [];
  for (const [key, { topic, partition }] of wanted) {
    const to = await resolve(client, topic, partition, flags.to!);
    resets.push({ topic, partition, from: committed.get(key) ?? null, to });
  }
  return resets;
}

async function describeIfThere(client: Client, name: string): Promise<GroupDescription | null> {
  try {
    return await client.json<GroupDescription>(groupPath(name));
  } catch (error) {
    if (error instanceof ClientError && error.code === "GROUP_ID_NOT_FOUND") return null;
    throw error;
  }
}

/** Within what can be read: an offset before it is its beginning, one behind it its end. */
async function resolve(client: Client, topic: string, partition: number, to: From): Promise<number> {
  const path = `/v1/topics/${encodeURIComponent(topic)}/partitions/${partition}/offsets`;
  const { earliest, latest } = await client.json<{ earliest: number; latest: number }>(path);
  if (to === "earliest") return earliest;
  if (to === "latest") return latest;
  if (typeof to === "number") return Math.min(latest, Math.max(earliest, to));
  if ("last" in to) return Math.max(earliest, latest - to.last);
  const found = await client.json<{ offset: number | null }>(path, { query: { timestamp: to.timestamp } });
  return found.offset ?? latest;
}

async function commitAll(client: Client, name: string, offsets: readonly object[]): Promise<void> {
  const response = await client.send(`${groupPath(name)}/offsets`, { method: "POST", body: { offsets } });
  const outcome = (await response.json()) as {
    offsets: { topic: string; partition: number; error?: { code: string; detail: string; retriable: boolean } }[];
  };
  const failed = outcome.offsets.find(({ error }) => error !== undefined);
  if (failed?.error === undefined) return;
  const { code, detail, retriable } = failed.error;
  throw new ClientError(code, `${failed.topic}:${failed.partition} was not set: ${detail}`, retriable);
}

function describe(group: GroupDescription): string {
  const owner = new Map<string, string>();
  for (const { memberId, assignment } of group.members)
    for (const { topic, partitions } of assignment ?? [])
      for (const partition of partitions) owner.set(`${topic}:${partition}`, memberId);
  const committed = new Set(group.offsets.map(({ topic, partition }) => `${topic}:${partition}`));
  const rows = group.offsets.map(({ topic, partition, offset, highWatermark, lag }) => [
    ...[topic, String(partition), count(offset), highWatermark === null ? "-" : count(highWatermark)],
    ...[lag === null ? "-" : count(lag), owner.get(`${topic}:${partition}`) ?? "-"],
  ]);
  for (const [key, memberId] of owner) {
    if (committed.has(key)) continue;
    const at = key.lastIndexOf(":");
    rows.push([key.slice(0, at), key.slice(at + 1), "-", "-", "-", memberId]);
  }
  const members = group.members.map(({ memberId, clientId, clientHost, memberEpoch, assignment }) => [
    ...[memberId, clientId, clientHost === "" ? "-" : clientHost, String(memberEpoch)],
    String((assignment ?? []).reduce((sum, { partitions }) => sum + partitions.length, 0)),
  ]);
  const head = `${group.group}  ${group.type}, ${group.state}, epoch ${group.epoch}\n`;
  const offsets = table([["TOPIC", "PARTITION", "OFFSET", "HIGH WATERMARK", "LAG", "MEMBER"], ...rows]);
  const who = table([["MEMBER", "CLIENT", "HOST", "EPOCH", "PARTITIONS"], ...members]);
  return `${head}\n${offsets}${members.length === 0 ? "\nno members\n" : `\n${who}`}\n`;
}
