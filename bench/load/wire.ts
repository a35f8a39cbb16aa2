// What sends load: channels, each with one request under way at a time.
//
// Owns: the shapes, and the loop that keeps every channel busy for a while.
// Never: knows a protocol (http1.ts, http2.ts), or judges an answer beyond its status.

import { performance } from "node:perf_hooks";

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface Answer {
  readonly bodyBytes: number;
  /** Empty unless it was asked to be kept. */
  readonly body: Buffer;
}

/** One that is written out as far as it can be before it is sent. */
export type Prepared = { readonly request: Request; readonly head: Buffer };

export interface Channel {
  /** Sends once the one before is answered. Whatever is not 200 to 299 is an error, and so is a lost connection. */
  send(prepared: Prepared, keepBody: boolean, done: (error: Error | null, answer: Answer) => void): void;
}

export interface Wire {
  readonly channels: readonly Channel[];
  prepare(request: Request): Prepared;
  close(): void;
}

export interface Driven {
  readonly requests: number;
  readonly receivedBytes: number;
  readonly seconds: number;
}

/** Longer than any answer takes, also a disk's that is busy. Milliseconds. */
const silenceMs = 60_000;

/** Every channel sends the requests one after the other, round and round, until the time is up; then what is under way ends. */
export function drive(wire: Wire, prepared: readonly Prepared[], runMs: number): Promise<Driven> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const deadline = start + runMs;
    let requests = 0;
    let receivedBytes = 0;
    let busy = wire.channels.length;
    const late = setTimeout(() => reject(new Error(`${busy} requests got no answer`)), runMs + silenceMs);
    const fail = (error: Error): void => {
      clearTimeout(late);
      reject(error);
    };
    wire.channels.forEach((channel, index) => {
      // The channels begin in different places, so that they do not go in step.
      let next = Math.floor((index * prepared.length) / wire.channels.length);
      const send = (): void => channel.send(prepared[next++ % prepared.length] as Prepared, false, done);
      const done = (error: Error | null, answer: Answer): void => {
        if (error !== null) return fail(error);
        requests++;
        receivedBytes += answer.bodyBytes;
        const now = performance.now();
        if (now < deadline) send();
        else if (--busy === 0) {
          clearTimeout(late);
          resolve({ requests, receivedBytes, seconds: (now - start) / 1000 });
        }
      };
      send();
    });
  });
}

/** One request, its answer kept. */
export function ask(wire: Wire, request: Request): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    (wire.channels[0] as Channel).send(wire.prepare(request), true, (error, { body }) =>
      error === null ? resolve(body) : reject(error),
    );
  });
}

/** Says what was answered instead of a 2xx. */
export function refusal(request: Request, status: number, body: Buffer): Error {
  return new Error(`${request.method} ${request.path} was answered with ${status} ${body.toString("utf8", 0, 300)}`);
}
