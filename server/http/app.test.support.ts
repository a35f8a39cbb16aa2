// A real broker in memory behind the app, for the tests of this face.

import type { TestContext } from "node:test";
import {
  type Broker,
  type Clock,
  createTwinKernel,
  type GroupOptions,
  memoryStorage,
  openBroker,
} from "../../engine/index.ts";
import { webClock, webEntropy } from "../runtime/web/world.ts";
import { type AppOptions, createApp } from "./app.ts";
import { GroupSessions } from "./group-sessions.ts";

export interface TestApp {
  readonly app: ReturnType<typeof createApp>;
  readonly broker: Broker;
  readonly sessions: GroupSessions;
  readonly said: string[];
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
}

export interface TestOptions extends Partial<AppOptions> {
  readonly inFlightBytes?: number;
  readonly revokeWaitMs?: number;
  /** That the server keeps. */
  readonly mostMembers?: number;
  readonly groups?: Partial<GroupOptions>;
}

export const json = { "content-type": "application/json" } as const;

/** Closed when the test ends, however it ends. Bodies that are no string, bytes or stream are sent as JSON. */
export async function testApp(t: TestContext, options: TestOptions = {}): Promise<TestApp> {
  const clock: Clock = options.clock ?? webClock;
  const said: string[] = [];
  const logger = { log: (_level: string, message: string) => void said.push(message) };
  const world = { clock, entropy: webEntropy, logger, storage: memoryStorage(), kernel: createTwinKernel() };
  const { inFlightBytes, revokeWaitMs, mostMembers, groups = {}, ...rest } = options;
  const broker =
    options.broker ??
    (await openBroker({ ...world, groups, ...(inFlightBytes === undefined ? {} : { inFlightBytes }) }));
  const kept = {
    ...(revokeWaitMs === undefined ? {} : { revokeWaitMs }),
    ...(mostMembers === undefined ? {} : { mostMembers }),
  };
  const sessions = options.sessions ?? new GroupSessions({ broker, clock, logger, ...kept });
  t.after(async () => {
    await sessions.close();
    await broker.close();
  });
  const app = createApp({
    broker,
    clock,
    logger,
    runtime: { name: "test", version: "1.2.3" },
    version: "0.0.0-test",
    sessions,
    ...rest,
  });
  const send: TestApp["send"] = async (method, path, body, headers) => {
    const plain =
      body === undefined || typeof body === "string" || body instanceof Uint8Array || body instanceof ReadableStream;
    const init = {
      method,
      headers: headers ?? (plain ? {} : json),
      ...(body === undefined ? {} : { body: plain ? body : JSON.stringify(body) }),
      ...(body instanceof ReadableStream ? { duplex: "half" } : {}),
    };
    return app.fetch(new Request(`http://test${path}`, init as RequestInit));
  };
  return { app, broker, sessions, said, send, get: (path, headers = {}) => send("GET", path, undefined, headers) };
}

/** The problem that an answer is, checked for what every problem has. */
export async function problemOf(
  response: Response,
): Promise<Record<string, unknown> & { code: string; detail: string }> {
  const type = response.headers.get("content-type");
  const problem = (await response.json()) as Record<string, unknown> & { code: string; detail: string };
  const shape = ["type", "title", "status", "detail", "code", "retriable", "effect"].filter(
    (member) => !(member in problem),
  );
  if (type !== "application/problem+json" || shape.length > 0 || problem["status"] !== response.status) {
    throw new Error(`no problem document: ${response.status} ${type} ${JSON.stringify(problem)}`);
  }
  return problem;
}

/** A body that is sent piece by piece, when the test says so. */
export class PushedBody {
  readonly stream: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor() {
    this.stream = new ReadableStream({ start: (controller) => void (this.#controller = controller) });
  }

  push(piece: string | Uint8Array): void {
    this.#controller.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
  }

  end(): void {
    this.#controller.close();
  }

  breakOff(): void {
    this.#controller.error(new Error("the connection was reset"));
  }
}

/** Reads a streaming answer as text, piece by piece. */
export class Reading {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder: InstanceType<typeof TextDecoder> = new TextDecoder();
  text = "";

  constructor(response: Response) {
    this.#reader = response.body!.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  }

  /** Until what was read so far satisfies, or the stream ends. */
  async until(satisfied: (text: string) => boolean): Promise<string> {
    while (!satisfied(this.text)) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      this.text += this.#decoder.decode(value, { stream: true });
    }
    return this.text;
  }

  async rest(): Promise<string> {
    return this.until(() => false);
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}
