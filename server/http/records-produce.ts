// POST .../records: produce to a topic, or to one partition of it.
//
// Owns: the conditions of a request (acks, idempotence, If-Match) and the answer: a result a
//   record, 207 when some failed, their problem when all failed alike.
// Never: partitions or batches records, and never appends a part of a body.

import { z } from "@hono/zod-openapi";
import type { Acks, ProduceResult, ProducerStamp } from "../../engine/index.ts";
import { answer } from "./answer.ts";
import { holdBody, wholeBody } from "./body.ts";
import { acceptedForm, bodyForm, type Form, mediaTypes } from "./media-type.ts";
import { type Call, type Face, type Operation, operation } from "./operation.ts";
import { integerParameter, parseInteger } from "./parameters.ts";
import { invalid } from "./problem.ts";
import { streamProduce } from "./produce-stream.ts";
import { checkJsonCounts } from "./record-count.ts";
import { decodeJson, parseProduceBody } from "./record-input.ts";
import { decodeCbor, encodeCbor, resultCbor } from "./records-cbor.ts";
import { resultJson } from "./records-json.ts";
import { respond } from "./respond.ts";
import { appendSchema, binarySchema, jsonAndCbor, produceSchema, resultLineSchema, resultsSchema } from "./schemas.ts";

const query = z.strictObject({
  acks: z.enum(["all", "leader", "none"]).optional().openapi({
    description:
      "Answered when synced and readable (all, the default), when written (leader), or at once (none). A JSON or CBOR body's own acks comes first.",
  }),
  timeoutMs: integerParameter({
    description: "How long to wait for the acknowledgement; then 504 with effect unknown.",
    minimum: 1,
    maximum: 300_000,
    default: 30_000,
  }),
});
type Query = z.output<typeof query>;

/** What each form of body may be answered in, the preferred one first. */
const answersTo = {
  json: ["json", "cbor"],
  cbor: ["cbor", "json"],
  raw: ["json", "cbor"],
  lines: ["lines", "cborSequence"],
  cborSequence: ["cborSequence", "lines"],
} as const;
type BodyForm = keyof typeof answersTo;
const producerHeaders = ["producer-id", "producer-epoch", "producer-seq"] as const;
const conditionHeaders = z.object({
  "Producer-Id": z
    .string()
    .optional()
    .openapi({ description: "Idempotent produce, with the next two: the request is exactly one batch" }),
  "Producer-Epoch": z.string().optional(),
  "Producer-Seq": z.string().optional().openapi({ description: "Kafka's base sequence: int32, wraps to 0" }),
  "If-Match": z
    .string()
    .optional()
    .openapi({ description: "Append only when the log ends at this offset, else 412", example: '"42"' }),
});

const lineDocs = {
  [mediaTypes.lines]: { schema: resultLineSchema },
  [mediaTypes.cborSequence]: { schema: binarySchema },
};
const streams =
  "NDJSON and CBOR sequences are appended as they arrive and answered line by line as they are acknowledged.";
const partly = { description: "Some failed: their errors stand in their places", content: jsonAndCbor(resultsSchema) };

export function produceOperations(face: Face): Operation[] {
  return [
    operation({
      method: "post",
      path: "/v1/topics/{topic}/records",
      query,
      tags: ["records"],
      summary: "Produce; partitioned by key (murmur2, as Kafka) or spread evenly",
      description: streams,
      body: {
        required: true,
        content: {
          ...jsonAndCbor(produceSchema),
          [mediaTypes.lines]: { schema: binarySchema },
          [mediaTypes.cborSequence]: { schema: binarySchema },
        },
      },
      responses: {
        200: { description: "Appended", content: { ...jsonAndCbor(resultsSchema), ...lineDocs } },
        207: partly,
      },
      handle(call) {
        const form = bodyForm(call.headers, ["json", "cbor", "lines", "cborSequence"]);
        return produce(call, form, agreeOn(call, form), face);
      },
    }),
    operation({
      method: "post",
      path: "/v1/topics/{topic}/partitions/{partition}/records",
      query,
      tags: ["records"],
      summary: "Produce to one partition",
      description: `Raw bodies are runs of whole record batches v2, taken all or not at all. ${streams}`,
      headers: conditionHeaders,
      body: {
        required: true,
        content: {
          ...jsonAndCbor(produceSchema),
          [mediaTypes.raw]: { schema: binarySchema },
          [mediaTypes.lines]: { schema: binarySchema },
          [mediaTypes.cborSequence]: { schema: binarySchema },
        },
      },
      responses: {
        200: {
          description: "Appended",
          content: { ...jsonAndCbor(z.union([resultsSchema, appendSchema])), ...lineDocs },
        },
        207: partly,
      },
      handle(call) {
        const form = bodyForm(call.headers, ["json", "cbor", "raw", "lines", "cborSequence"]);
        const answerForm = agreeOn(call, form);
        return form === "raw" ? append(call, answerForm, face) : produce(call, form, answerForm, face);
      },
    }),
  ];
}

function agreeOn(call: Call<Query>, form: BodyForm): Form {
  return acceptedForm<Form>(call.headers.get("accept"), answersTo[form]);
}

async function produce(call: Call<Query>, form: BodyForm, answerForm: Form, face: Face): Promise<Response> {
  const { topic, query, headers } = call;
  const partition = call.partition < 0 ? undefined : call.partition;
  const conditions = readConditions(headers, partition);
  if (form === "lines" || form === "cborSequence") {
    if (conditions.producer !== undefined)
      throw invalid("producer-id: a streaming body is many batches; send an idempotent one as JSON, CBOR or raw");
    if (conditions.expectedEndOffset !== undefined)
      throw invalid("if-match: a streaming body is many appends; send a conditional one as JSON, CBOR or raw");
    const options = produceOptions(query.acks, query.timeoutMs);
    return streamProduce({ call, form, answerForm, options, face });
  }
  const held = await holdBody(call.body, face);
  try {
    const { records, acks } = decodeBody(form, wholeBody(held));
    if (partition !== undefined) {
      const stray = records.findIndex((record) => record.partition !== undefined && record.partition !== partition);
      if (stray >= 0) throw invalid(`records[${stray}].partition is not the path's, ${partition}`);
    }
    const results = await face.broker.produce(topic, records, {
      ...produceOptions(acks ?? query.acks, query.timeoutMs),
      ...(partition === undefined ? {} : { partition }),
      ...conditions,
    });
    return answerResults(answerForm, results, partition);
  } finally {
    held.release();
  }
}

function decodeBody(form: Form, bytes: Uint8Array): ReturnType<typeof parseProduceBody> {
  if (form === "cbor") return parseProduceBody(decodeCbor(bytes, "the body", true));
  checkJsonCounts(bytes);
  const { value, care } = decodeJson(bytes, "the body");
  return parseProduceBody(value, care);
}

function answerResults(form: Form, results: readonly ProduceResult[], partition: number | undefined): Response {
  const errors = results.flatMap((result) => ("error" in result ? [result.error] : []));
  const first = errors[0];
  if (first !== undefined && errors.length === results.length && errors.every(({ code }) => code === first.code)) {
    // One that may have landed makes the whole request one that may have.
    throw errors.find(({ effect }) => effect === "unknown") ?? first;
  }
  const headers: Record<string, string> = {};
  const last = results.at(-1);
  if (
    partition !== undefined &&
    first === undefined &&
    last !== undefined &&
    "offset" in last &&
    !last.duplicate &&
    last.offset >= 0
  ) {
    headers["etag"] = `"${last.offset + 1}"`;
  }
  const status = first === undefined ? 200 : 207;
  if (form === "cbor")
    return respond(status, mediaTypes.cbor, encodeCbor({ results: results.map(resultCbor) }), headers);
  return respond(status, mediaTypes.json, `{"results":[${results.map(resultJson).join(",")}]}`, headers);
}

async function append(call: Call<Query>, answerForm: Form, face: Face): Promise<Response> {
  const { topic, partition, query, headers } = call;
  const { producer, ...conditions } = readConditions(headers, partition);
  if (producer !== undefined)
    throw invalid("producer-id: raw batches carry their producer id, epoch and sequence themselves");
  const held = await holdBody(call.body, face);
  try {
    if (held.sizeBytes === 0) throw invalid("the body is empty; send whole record batches");
    const options = { ...produceOptions(query.acks, query.timeoutMs), ...conditions };
    const appended = await face.broker.appendBatches(topic, partition, held.chunks, options);
    const { baseOffset, lastOffset, logAppendTime, logStartOffset, duplicate } = appended;
    const etag: Record<string, string> = duplicate || lastOffset < 0 ? {} : { etag: `"${lastOffset + 1}"` };
    return answer(
      answerForm,
      200,
      { partition, baseOffset, lastOffset, logAppendTime, logStartOffset, duplicate },
      etag,
    );
  } finally {
    held.release();
  }
}

function produceOptions(acks: Acks | undefined, timeoutMs: number | undefined): { acks?: Acks; timeoutMs?: number } {
  return { ...(acks === undefined ? {} : { acks }), ...(timeoutMs === undefined ? {} : { timeoutMs }) };
}

interface Conditions {
  readonly producer?: ProducerStamp;
  readonly expectedEndOffset?: number;
}

function readConditions(headers: Headers, partition: number | undefined): Conditions {
  const producer = readProducer(headers);
  const expectedEndOffset = readIfMatch(headers.get("if-match"));
  if (partition === undefined && producer !== undefined)
    throw invalid("producer-id: only the route of one partition takes it");
  if (partition === undefined && expectedEndOffset !== undefined)
    throw invalid("if-match: only the route of one partition takes it");
  return {
    ...(producer === undefined ? {} : { producer }),
    ...(expectedEndOffset === undefined ? {} : { expectedEndOffset }),
  };
}

function readProducer(headers: Headers): ProducerStamp | undefined {
  const [id, epoch, sequence] = producerHeaders.map((name) => headers.get(name));
  if (id == null && epoch == null && sequence == null) return undefined;
  for (const name of producerHeaders) {
    if (headers.get(name) === null)
      throw invalid(`${name} is missing; the three go together: ${producerHeaders.join(", ")}`);
  }
  return {
    producerId: parseInteger("producer-id", id as string, { minimum: 0 }),
    producerEpoch: parseInteger("producer-epoch", epoch as string, { minimum: 0, maximum: 32_767 }),
    sequence: parseInteger("producer-seq", sequence as string, { minimum: 0, maximum: 2_147_483_647 }),
  };
}

function readIfMatch(text: string | null): number | undefined {
  if (text === null) return undefined;
  const quoted = /^\s*"([^"]*)"\s*$/.exec(text)?.[1];
  if (quoted === undefined) throw invalid(`if-match: write the expected end offset in quotes, as in "42"`);
  return parseInteger("if-match", quoted, { minimum: 0 });
}
