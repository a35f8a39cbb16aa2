// A broker in memory, behind a connection without a socket, asked as a client asks.

import { type ManualClock, testWorld } from "../../../engine/broker/world.test.support.ts";
import type { BrokerOptions, Storage } from "../../../engine/index.ts";
import { type Broker, Budget, memoryStorage, openBroker } from "../../../engine/index.ts";
import { serveApis } from "../api-versions.ts";
import { Connection } from "../connection.ts";
import { kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import { readResponse, writeRequest } from "../schema/codec.ts";
import type { ApiDefinition, Read, Written } from "../schema/notation.ts";
import { adminHandlers } from "./admin.ts";
import { groupHandlers } from "./groups.ts";

type Ask = <Api extends ApiDefinition>(
  api: Api,
  version: number,
  request: Written<Api["request"]>,
) => Promise<Read<Api["response"]>>;

export interface AskedConnection {
  /** One request over one connection, which all its requests share. */
  readonly ask: Ask;
  /** The client is gone. */
  closed(): void;
  /** The broker is about to stop. */
  finish(): void;
}

export interface Asked {
  readonly broker: Broker;
  readonly clock: ManualClock;
  readonly said: readonly { readonly level: string; readonly message: string }[];
  /** Over a connection that is there from the beginning. */
  readonly ask: Ask;
  connect(clientId?: string): AskedConnection;
}

export async function openAsked(
  face: Partial<KafkaFace> = {},
  storage: Storage = memoryStorage(),
  options: Partial<BrokerOptions> = {},
): Promise<Asked> {
  const world = testWorld(storage);
  const { clock, entropy, logger, said } = world;
  const broker = await openBroker({ ...world, ...options });
  const node = { id: 7, host: "localhost", port: 9092 };
  const whole = {
    ...{ broker, clock, entropy, logger, node, clusterId: "a-cluster", autoCreateTopics: true, numPartitions: 3 },
    nodeFor: () => ({ ...node, host: "for.this.client" }),
    dataFolder: "/data",
    ...face,
  };
  const apis = serveApis([...adminHandlers(whole), ...groupHandlers(whole)]);
  const connect = (clientId = "test"): AskedConnection => {
    const waiting: ((frame: Uint8Array) => void)[] = [];
    const written: Uint8Array[] = [];
    const connection = new Connection({
      ...{
        apis,
        client: { address: "127.0.0.1:1" },
        logger,
        clock,
        budget: broker,
        decoded: new Budget(1 << 26),
        answers: { totalBytes: 1 << 26, usedBytes: 0 },
      },
      wire: {
        write(chunks, sent) {
          written.push(Uint8Array.from(chunks.flatMap((chunk) => [...chunk])));
          for (let frame = takeFrame(written); frame !== null; frame = takeFrame(written)) waiting.shift()!(frame);
          sent();
          return true;
        },
        pause: () => {},
        resume: () => {},
        end: () => waiting.shift()?.(new Uint8Array(0)),
      },
    });
    let correlationId = 0;
    return {
      async ask(api, version, request) {
        correlationId += 1;
        const chunks = writeRequest(api, version, { correlationId, clientId }, request);
        const answered = new Promise<Uint8Array>((resolve) => waiting.push(resolve));
        for (const chunk of chunks) connection.receive(chunk.slice());
        const frame = await answered;
        if (frame.length === 0) throw new Error(`the connection ended: ${said.at(-1)?.message}`);
        return readResponse(api, version, [frame]).response;
      },
      closed: () => connection.closed(),
      finish: () => connection.finish(),
    };
  };
  return { broker, clock, said, ask: connect().ask, connect };
}

/** Off the beginning of what was written; without its length. */
function takeFrame(written: Uint8Array[]): Uint8Array | null {
  const stream = Uint8Array.from(written.splice(0).flatMap((chunk) => [...chunk]));
  if (stream.length > 0) written.push(stream);
  if (stream.length < 4) return null;
  const end = 4 + new DataView(stream.buffer).getInt32(0);
  if (stream.length < end) return null;
  written.splice(0);
  if (stream.length > end) written.push(stream.slice(end));
  return stream.slice(4, end);
}

export function versionsOf({ versions: [from, to] }: ApiDefinition): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

/** The name of a code, which failures are read more easily by. */
export function nameOf(code: number): string {
  return Object.entries(kafkaErrors).find(([, error]) => error.code === code)?.[0] ?? `code ${code}`;
}

/** What was answered, as "NAME: words". */
export function said({ errorCode, errorMessage }: { errorCode: number; errorMessage: string | null }): string {
  return errorMessage === null ? nameOf(errorCode) : `${nameOf(errorCode)}: ${errorMessage}`;
}
