// Every API that is served, but ApiVersions, which is made of this list.
//
// Owns: the list. Never: an answer.

import type { KafkaFace } from "../face.ts";
import type { AnyHandler } from "../handler.ts";

export function kafkaHandlers(_face: KafkaFace): AnyHandler[] {
  return [];
}
