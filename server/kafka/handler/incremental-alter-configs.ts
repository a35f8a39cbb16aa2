// IncrementalAlterConfigs 0-1: sets single configs of a topic, takes them back, and adds to or
// takes from those that are lists.
//
// Departs from Kafka: a broker's configs can't be changed while it runs.

import { configDefinitions, type TopicConfigValue } from "../../../engine/index.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { incrementalAlterConfigs } from "../schema/incremental-alter-configs.ts";
import type { RequestOf } from "../schema/notation.ts";
import { alterEach, type ConfigChange } from "./alter-each.ts";
import { checkDistinct, valueOf } from "./configs.ts";
import { Refusal } from "./outcome.ts";

type Resource = RequestOf<typeof incrementalAlterConfigs>["resources"][number];
type Change = Resource["configs"][number];

/** By their numbers on the wire. */
const operations = ["set", "delete", "append", "subtract"] as const;

export function incrementalAlterConfigsHandler(face: KafkaFace): Handler<typeof incrementalAlterConfigs> {
  return {
    api: incrementalAlterConfigs,
    handle: ({ resources, validateOnly }) => alterEach(face, resources, validateOnly, changing),
  };
}

function changing({ configs }: Resource): ConfigChange {
  checkDistinct(configs.map(({ name }) => name));
  for (const change of configs) check(change);
  return (now) => Object.fromEntries(configs.map((change) => [change.name, changed(change, now)]));
}

function check({ name, configOperation, value }: Change): void {
  const operation = operations[configOperation];
  if (operation === undefined) {
    throw new Refusal(
      "INVALID_REQUEST",
      `config '${name}' has the operation ${configOperation}: there are set (0), delete (1), append (2) and subtract (3)`,
    );
  }
  if (operation === "delete") return;
  valueOf(name, value);
  const type = configDefinitions.get(name)?.type;
  // One that is not there is for the engine to refuse, with the nearest name.
  if (operation === "set" || type === undefined || type === "list") return;
  throw new Refusal("INVALID_CONFIG", `config '${name}' is no list, to ${operation} to or from: set it`);
}

/** What the config becomes; null is its default. */
function changed(
  { name, configOperation, value }: Change,
  now: Readonly<Record<string, TopicConfigValue>>,
): string | null {
  const operation = operations[configOperation]!;
  if (operation === "delete") return null;
  const given = valueOf(name, value);
  const before = Object.hasOwn(now, name) ? partsOf(now[name]!.value) : null;
  if (operation === "set" || before === null) return given;
  const named = partsOf(given);
  const parts =
    operation === "append"
      ? [...before, ...named.filter((part) => !before.includes(part))]
      : before.filter((part) => !named.includes(part));
  return parts.join(",");
}

function partsOf(list: string): string[] {
  return list
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
