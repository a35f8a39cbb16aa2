// An adapter to a broker that speaks Kafka's protocol, for programs: what is wrong is told with what to write instead.
//
// Owns: the messages. The adapter is kafka.ts's.

import { atLeast, demandOptions, or, someOf, text } from "../shapes.ts";
import { LogError } from "./contract.ts";
import { connectKafka, type KafkaAdapter, type KafkaAdapterOptions } from "./kafka.ts";
import { inProgram, otherAddress } from "./other-address.ts";

const example = 'openKafkaAdapter({ brokers: ["127.0.0.1:9092"] })';
const shapes = {
  brokers: someOf(text),
  ...{ requestTimeoutMs: or(undefined, atLeast(1)), replicationFactor: or(undefined, atLeast(1)) },
  sessionTimeoutMs: or(undefined, atLeast(1)),
};

/** Rejects when nobody answers there, with what to give instead, and when kafkajs is not installed. */
export async function openKafkaAdapter(options: KafkaAdapterOptions): Promise<KafkaAdapter> {
  demandOptions("openKafkaAdapter", shapes, options, example);
  try {
    return await connectKafka(options);
  } catch (error) {
    const { code, effect, message } = error as LogError;
    if (!(error instanceof LogError) || code === "KAFKAJS_NOT_INSTALLED") throw error;
    const all = options.brokers.join(",");
    const ask = "is it running, and is that where Kafka's protocol is spoken?";
    const instead = (await otherAddress(`kafka://${all}`, error, inProgram)) ?? ask;
    throw new LogError(code, effect, `no answer from ${all} (${message}): ${instead}`);
  }
}
