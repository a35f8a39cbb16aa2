// A record of a group's topics in its two forms: as of a fetch, with its topic and partition before it.

import type { GroupRecord } from "./group-fetch.ts";
import { recordCbor } from "./records-cbor.ts";
import { recordJson, type ValueForm } from "./records-json.ts";

export function groupRecordJson({ topic, partition, record }: GroupRecord, values: ValueForm): string {
  return `{"topic":${JSON.stringify(topic)},"partition":${partition},${recordJson(record, values).slice(1)}`;
}

export function groupRecordCbor({ topic, partition, record }: GroupRecord): unknown {
  return { topic, partition, ...(recordCbor(record) as object) };
}
