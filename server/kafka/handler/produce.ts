// Produce 0 to 11: runs of record batches, appended as they are.
//
// Owns: which error a partition is told, and which versions may carry what.
// Never: looks at a record; the engine checks a run where it copies it.
//
// Departs from Kafka: versions 0 to 2, of before record batches v2, are advertised, because librdkafka
// before 2.12 compresses only where it sees them, and refused when they come; a partition may be sent
// several batches at once, unless they are a producer's with an id; no transactions.

import {
  type Acks,
  type AppendOptions,
  type Broker,
  MoldauError,
  type RunBytes,
  toMoldauError,
} from "../../../engine/index.ts";
import { type KafkaErrorName, kafkaErrorCode, kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import type { RequestOf, ResponseOf } from "../schema/notation.ts";
import { produce } from "../schema/produce.ts";

type PartitionAnswer = ResponseOf<typeof produce>["responses"][number]["partitionResponses"][number];

const acksByNumber: ReadonlyMap<number, Acks> = new Map<number, Acks>([
  [-1, "all"],
  [0, "none"],
  [1, "leader"],
]);
const noOffset = -1;
/** The first that carries record batches v2; the first that carries zstd. */
const batchesVersion = 3;
const zstdVersion = 7;
/** The low byte of a batch's attributes, whose last bits name the codec. */
const attributesPosition = 22;
const codecMask = 7;
const zstd = 4;

interface Refusal {
  readonly code: number;
  readonly message: string;
}

export function produceHandler({ broker }: KafkaFace): Handler<typeof produce> {
  return {
    api: produce,
    async handle(request, { version }) {
      const refused = refusalOf(request, version);
      const timeoutMs = Math.max(0, request.timeoutMs);
      const options: AppendOptions = { acks: acksByNumber.get(request.acks) ?? "all", timeoutMs };
      // All of them begin before the first await: what comes later on this connection is appended later.
      const topics = request.topicData.map(({ name, partitionData }) => ({
        name,
        partitions: partitionData.map(({ index, records }) =>
          refused === null ? append(broker, name, index, records, version, options) : failed(index, refused),
        ),
      }));
      const responses = [];
      for (const { name, partitions } of topics) {
        responses.push({ name, partitionResponses: await Promise.all(partitions) });
      }
      if (request.acks !== 0) return { responses };
      const lost = responses.flatMap(({ partitionResponses }) => partitionResponses).find(isFailed);
      // Its client awaits no answer, and learns by nothing else that records are lost.
      if (lost !== undefined) throw new MoldauError("INVALID_RECORD", lost.errorMessage ?? "records were refused");
      return null;
    },
  };
}

/** Why every partition of the request is refused; null: none is for such a reason. */
function refusalOf({ acks, transactionalId }: RequestOf<typeof produce>, version: number): Refusal | null {
  if (version < batchesVersion) {
    return refusal("UNSUPPORTED_FOR_MESSAGE_FORMAT", `record batches v2 come with version ${batchesVersion} on`);
  }
  if (!acksByNumber.has(acks)) return refusal("INVALID_REQUIRED_ACKS", `acks is ${acks}: it is -1, 0 or 1`);
  if (transactionalId === null) return null;
  return refusal("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "there are no transactions yet");
}

function refusal(name: KafkaErrorName, message: string): Refusal {
  return { code: kafkaErrors[name].code, message };
}

async function append(
  broker: Broker,
  topic: string,
  index: number,
  records: RunBytes | null,
  version: number,
  options: AppendOptions,
): Promise<PartitionAnswer> {
  try {
    const bytes = records ?? new Uint8Array(0);
    if (version < zstdVersion) refuseZstd(bytes);
    const { baseOffset, logAppendTime, logStartOffset } = await broker.appendBatches(topic, index, bytes, options);
    return { index, errorCode: kafkaErrors.NONE.code, baseOffset, logAppendTimeMs: logAppendTime, logStartOffset };
  } catch (error) {
    return failed(index, { code: kafkaErrorCode(error), message: toMoldauError(error).message });
  }
}

/** A client of then could not read it again; of several batches the first speaks for all. */
function refuseZstd(run: RunBytes): void {
  const attributes = byteAt(run, attributesPosition);
  if (attributes === null || (attributes & codecMask) !== zstd) return;
  throw new MoldauError("UNSUPPORTED_COMPRESSION_TYPE", `zstd comes with version ${zstdVersion} on`);
}

function byteAt(run: RunBytes, position: number): number | null {
  let before = 0;
  for (const chunk of run instanceof Uint8Array ? [run] : run) {
    if (position < before + chunk.length) return chunk[position - before]!;
    before += chunk.length;
  }
  return null;
}

function failed(index: number, { code, message }: Refusal): PartitionAnswer {
  return { index, errorCode: code, baseOffset: noOffset, errorMessage: message };
}

function isFailed({ errorCode }: PartitionAnswer): boolean {
  return errorCode !== kafkaErrors.NONE.code;
}
