// Changes the configs of the resources that a request names, each by itself.
//
// Owns: that a change is made of what is set when its turn comes.
// Never: says what the change is (alter-configs.ts, incremental-alter-configs.ts).

import type { AlterTopicOptions } from "../../../engine/index.ts";
import type { KafkaFace } from "../face.ts";
import type { alterConfigs } from "../schema/alter-configs.ts";
import type { ResponseOf } from "../schema/notation.ts";
import { checkResource, nameOfResource, type Resource, refuseBrokerChange, resourceType } from "./configs.ts";
import { answerEach, done } from "./outcome.ts";

/** Of the configs as they are, what they are to become. */
export type ConfigChange = Extract<AlterTopicOptions["configs"], (...now: never[]) => unknown>;

interface ToAlter extends Resource {
  readonly configs: readonly { readonly name: string }[];
}

/** `changeOf` throws what is wrong with the request whatever is set now. */
export async function alterEach<Named extends ToAlter>(
  face: KafkaFace,
  resources: readonly Named[],
  validateOnly: boolean,
  changeOf: (resource: Named) => ConfigChange,
): Promise<ResponseOf<typeof alterConfigs>> {
  return {
    responses: await answerEach(face, {
      what: "resources",
      items: resources,
      nameOf: nameOfResource,
      async answer(resource) {
        checkResource(resource, face.node);
        if (resource.resourceType === resourceType.broker) refuseBrokerChange(resource.configs.map(({ name }) => name));
        else await alterTopic(face, resource.resourceName, changeOf(resource), validateOnly);
        return { ...done, resourceType: resource.resourceType, resourceName: resource.resourceName };
      },
      refused: ({ resourceType: type, resourceName }, outcome) => ({ ...outcome, resourceType: type, resourceName }),
    }),
  };
}

async function alterTopic(
  { broker }: KafkaFace,
  name: string,
  configs: ConfigChange,
  validateOnly: boolean,
): Promise<void> {
  if (validateOnly) broker.planAlteration(name, { configs });
  else await broker.alterTopic(name, { configs });
}
