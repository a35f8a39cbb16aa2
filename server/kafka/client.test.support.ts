// A client of the Kafka face without a socket, for tests: a broker in memory, and a wire that is kept.

import { strictEqual } from "node:assert/strict";
import { ManualClock, type TestWorld, testWorld } from "../../engine/broker/world.test.support.ts";
import { type Broker, memoryStorage, openBroker, type Storage } from "../../engine/index.ts";
import type { KafkaFace } from "./face.ts";
import { readResponse, writeRequest } from "./schema/codec.ts";
import type { ApiDefinition, Read, Written } from "./schema/notation.ts";
import { type KafkaLimits, type KafkaPeer, KafkaServer } from "./server.ts";

export interface TestFace {
  readonly broker: Broker;
  readonly world: TestWorld;
  readonly server: KafkaServer;
  /** What the log says of connections. */
  readonly said: string[];
  connect(): TestClient;
  close(): Promise<void>;
}

export interface TestFaceOptions {
  readonly storage?: Storage;
  readonly face?: Partial<KafkaFace>;
  readonly limits?: KafkaLimits;
  readonly fetchPoolBytes?: number;
}

export async function openFace({ storage, face, limits, fetchPoolBytes }: TestFaceOptions = {}): Promise<TestFace> {
  const world = testWorld(storage ?? memoryStorage(), new ManualClock());
  const broker = await openBroker(fetchPoolBytes === undefined ? world : { ...world, fetchPoolBytes });
  const node = { id: broker.nodeId, host: "broker.test", port: 9092 };
  const server = new KafkaServer(
    {
      broker,
      clock: world.clock,
      entropy: world.entropy,
      logger: world.logger,
      node,
      nodeFor: () => node,
      clusterId: broker.clusterId,
      autoCreateTopics: true,
      numPartitions: 1,
      ...face,
    },
    limits,
  );
  return {
    broker,
    world,
    server,
    get said() {
      return world.said.map(({ level, message }) => `${level}: ${message}`);
    },
    connect: () => new TestClient(server),
    close: () => broker.close(),
  };
}

let clients = 0;

export class TestClient {
  readonly peer: KafkaPeer;
  hasEnded = false;
  /** The server may write. */
  hasRoom = true;
  readonly #unsent: (() => void)[] = [];
  readonly #waiting: ((frame: Uint8Array) => void)[] = [];
  readonly #frames: Uint8Array[] = [];
  #correlationId = 0;
  #keepsSent = false;

  constructor(server: KafkaServer) {
    clients += 1;
    this.peer = server.connect(
      {
        write: (chunks, sent) => {
          // Copied at once: what is lent may be overwritten after `sent`.
          this.#take(Uint8Array.from(chunks.flatMap((chunk) => [...chunk])));
          if (this.#keepsSent) this.#unsent.push(sent);
          else sent();
          return this.hasRoom;
        },
        pause: () => {},
        resume: () => {},
        end: () => {
          this.hasEnded = true;
        },
      },
      { remote: `192.0.2.1:${clients}`, local: { host: "192.0.2.9", port: 9092 } },
    );
  }

  /** From now on the socket has sent nothing before `sendAll`. */
  keepSent(): void {
    this.#keepsSent = true;
  }

  sendAll(): void {
    for (const sent of this.#unsent.splice(0)) sent();
  }

  /** Sends a request and nothing else; resolves to its answer's frame. */
  async ask<Api extends ApiDefinition>(
    api: Api,
    version: number,
    request: Written<Api["request"]>,
  ): Promise<Read<Api["response"]>> {
    const { correlationId: sent } = this.send(api, version, request);
    const { correlationId, response } = readResponse(api, version, await this.frame());
    strictEqual(correlationId, sent, "the answer to the request");
    return response;
  }

  send<Api extends ApiDefinition>(
    api: Api,
    version: number,
    request: Written<Api["request"]>,
  ): { readonly correlationId: number } {
    this.#correlationId += 1;
    const correlationId = this.#correlationId;
    for (const chunk of writeRequest(api, version, { correlationId, clientId: "test" }, request)) {
      this.peer.receive(Uint8Array.from(chunk));
    }
    return { correlationId };
  }

  /** The next answer that has come, or comes. */
  frame(): Promise<Uint8Array> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #take(stream: Uint8Array): void {
    for (let at = 0; at < stream.length; ) {
      const size = new DataView(stream.buffer, at).getInt32(0);
      const frame = stream.subarray(at + 4, at + 4 + size);
      at += 4 + size;
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#frames.push(frame);
      else waiting(frame);
    }
  }
}
