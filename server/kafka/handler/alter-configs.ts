// AlterConfigs 0-2: a topic's configs become these, and those left out go back to their defaults.
//
// Departs from Kafka: a broker's configs can't be changed while it runs.

import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { alterConfigs } from "../schema/alter-configs.ts";
import type { RequestOf } from "../schema/notation.ts";
import { alterEach, type ConfigChange } from "./alter-each.ts";
import { configsByName } from "./configs.ts";

type Resource = RequestOf<typeof alterConfigs>["resources"][number];

export function alterConfigsHandler(face: KafkaFace): Handler<typeof alterConfigs> {
  return {
    api: alterConfigs,
    handle: ({ resources, validateOnly }) => alterEach(face, resources, validateOnly, replacing),
  };
}

function replacing({ configs }: Resource): ConfigChange {
  const wanted = configsByName(configs);
  return (now) => {
    const unset = Object.entries(now).flatMap(([name, { source }]) => (source === "topic" ? [[name, null]] : []));
    return { ...Object.fromEntries(unset), ...wanted };
  };
}
