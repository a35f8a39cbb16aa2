// Every API that is served, but ApiVersions, which is made of this list.
//
// Owns: the list. Never: an answer.

import type { KafkaFace } from "../face.ts";
import type { AnyHandler } from "../handler.ts";
import { adminHandlers } from "./admin.ts";
import { fetchHandler } from "./fetch.ts";
import { groupHandlers } from "./groups.ts";
import { initProducerIdHandler } from "./init-producer-id.ts";
import { listOffsetsHandler } from "./list-offsets.ts";
import { metadataHandler } from "./metadata.ts";
import { offsetForLeaderEpochHandler } from "./offset-for-leader-epoch.ts";
import { produceHandler } from "./produce.ts";

export function kafkaHandlers(face: KafkaFace): AnyHandler[] {
  return [
    produceHandler(face),
    fetchHandler(face),
    listOffsetsHandler(face),
    metadataHandler(face),
    initProducerIdHandler(face),
    offsetForLeaderEpochHandler(face),
    ...groupHandlers(face),
    ...adminHandlers(face),
  ];
}
