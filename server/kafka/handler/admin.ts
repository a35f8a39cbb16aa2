// The handlers for administration: topics, partitions, configs, records, and what there is.
//
// Owns: the list. Never: an answer.

import type { KafkaFace } from "../face.ts";
import type { AnyHandler } from "../handler.ts";
import { alterConfigsHandler } from "./alter-configs.ts";
import { createPartitionsHandler } from "./create-partitions.ts";
import { createTopicsHandler } from "./create-topics.ts";
import { deleteRecordsHandler } from "./delete-records.ts";
import { deleteTopicsHandler } from "./delete-topics.ts";
import { describeClusterHandler } from "./describe-cluster.ts";
import { describeConfigsHandler } from "./describe-configs.ts";
import { describeLogDirsHandler } from "./describe-log-dirs.ts";
import { incrementalAlterConfigsHandler } from "./incremental-alter-configs.ts";

export function adminHandlers(face: KafkaFace): AnyHandler[] {
  return [
    createTopicsHandler(face),
    deleteTopicsHandler(face),
    deleteRecordsHandler(face),
    describeConfigsHandler(face),
    alterConfigsHandler(face),
    describeLogDirsHandler(face),
    createPartitionsHandler(face),
    incrementalAlterConfigsHandler(face),
    describeClusterHandler(face),
  ];
}
