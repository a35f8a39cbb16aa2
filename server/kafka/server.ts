// The Kafka face as a whole: what a listener hands its connections to.
//
// Owns: which APIs are served; who is a client, and how long one may be silent.
// Never: listens (server/runtime), or answers (connection.ts, handler/).

import { Budget } from "../../engine/index.ts";
import { serveApis } from "./api-versions.ts";
import { type AnswerRoom, Connection, type ConnectionOptions, type Wire } from "./connection.ts";
import type { KafkaFace } from "./face.ts";
import { kafkaHandlers } from "./handler/index.ts";
import type { Client } from "./handler.ts";

/** A client's end, as a listener is handed it. */
export type KafkaPeer = Pick<Connection, "receive" | "drained" | "closed" | "finish">;

export interface KafkaAddresses {
  readonly remote: string;
  readonly local: { readonly host: string; readonly port: number };
}

export interface KafkaLimits
  extends Pick<ConnectionOptions, "maxFrameBytes" | "maxRequests" | "maxBytes" | "stalledMs"> {
  /** A client that has not asked anything by then is let go. Milliseconds; 60 000. */
  readonly firstRequestMs?: number;
  /** One that has nothing in hand and says nothing for so long, too. Milliseconds; 600 000, Kafka's connections.max.idle.ms. */
  readonly idleMs?: number;
}

interface Peer {
  readonly connection: Connection;
  readonly client: Client;
  /** It has asked something. */
  isAnswered: boolean;
  lastHeardMs: number;
}

const looksPerWait = 4;
/** Answers that have not left; of fetched records, whose room is the broker's (64 MiB), as well. Bytes. */
const answerBytes = 128 * 1024 * 1024;
/** What all requests in hand may take once they are decoded: 262 144 elements, one message's at least. Bytes. */
const decodedBytes = 64 * 1024 * 1024;

export class KafkaServer {
  readonly #face: KafkaFace;
  readonly #limits: KafkaLimits;
  readonly #firstRequestMs: number;
  readonly #idleMs: number;
  readonly #apis: ReturnType<typeof serveApis>;
  readonly #decoded = new Budget(decodedBytes);
  readonly #answers: AnswerRoom = { totalBytes: answerBytes, usedBytes: 0 };
  readonly #peers: Set<Peer> = new Set();
  #unschedule: (() => void) | null = null;

  constructor(face: KafkaFace, limits: KafkaLimits = {}) {
    this.#face = face;
    this.#limits = limits;
    this.#firstRequestMs = limits.firstRequestMs ?? 60_000;
    this.#idleMs = limits.idleMs ?? 600_000;
    this.#apis = serveApis(kafkaHandlers(face));
  }

  get connections(): number {
    return this.#peers.size;
  }

  connect(wire: Wire, { remote, local }: KafkaAddresses): KafkaPeer {
    const { broker, clock, logger } = this.#face;
    const client: Client = { address: remote, reached: local };
    const connection = new Connection({
      ...this.#limits,
      apis: this.#apis,
      wire: {
        write: (chunks, sent) => {
          peer.isAnswered = true;
          return wire.write(chunks, sent);
        },
        pause: () => wire.pause(),
        resume: () => wire.resume(),
        end: () => wire.end(),
      },
      client,
      logger,
      clock,
      budget: broker,
      decoded: this.#decoded,
      answers: this.#answers,
      isMemoryAwaited: () => broker.reservationsAwaited > 0,
    });
    const peer: Peer = { connection, client, isAnswered: false, lastHeardMs: clock.monotonic() };
    this.#peers.add(peer);
    this.#watch();
    return {
      receive: (chunk) => {
        peer.lastHeardMs = clock.monotonic();
        connection.receive(chunk);
      },
      drained: () => {
        peer.lastHeardMs = clock.monotonic();
        connection.drained();
      },
      closed: () => {
        this.#peers.delete(peer);
        if (this.#peers.size === 0) this.#unwatch();
        connection.closed();
      },
      finish: () => connection.finish(),
    };
  }

  /** One look at all of them: a timer a connection would be armed anew with each request. */
  #watch(): void {
    if (this.#unschedule !== null || this.#peers.size === 0) return;
    const waitMs = Math.min(this.#firstRequestMs, this.#idleMs) / looksPerWait;
    this.#unschedule = this.#face.clock.schedule(waitMs, () => {
      this.#unschedule = null;
      for (const peer of [...this.#peers]) this.#look(peer);
      this.#watch();
    });
  }

  /** A timer would keep a program that has closed everything. */
  #unwatch(): void {
    this.#unschedule?.();
    this.#unschedule = null;
  }

  #look({ connection, client, isAnswered, lastHeardMs }: Peer): void {
    const { clock, logger } = this.#face;
    const silentMs = clock.monotonic() - lastHeardMs;
    if (connection.requests > 0 || silentMs < (isAnswered ? this.#idleMs : this.#firstRequestMs)) return;
    const what = isAnswered ? `nothing came in ${this.#idleMs} ms` : `no request came in ${this.#firstRequestMs} ms`;
    logger.log("info", `a Kafka connection ends: ${what}`, { client: client.address });
    connection.finish();
  }
}
