// HTTP/1.1 as cheap as a client can be: requests are bytes made beforehand, answers are skipped over.
//
// Owns: connections that are kept, and as much of RFC 9112 as servers answer with: a head, then a body
//   by Content-Length, in chunks, or none.
// Never: follows, retries, or reads a header that says nothing of the body's length.

import { connect, type Socket } from "node:net";
import { type Answer, type Channel, type Prepared, type Request, refusal, type Wire } from "./wire.ts";

const headEnd = Buffer.from("\r\n\r\n");

export async function openHttp1(port: number, connections: number): Promise<Wire> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => connected(port)));
  return {
    channels: sockets.map(channelOn),
    prepare: (request) => ({ request, head: headOf(request, port) }),
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

export function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

export function closedByServer(): Error {
  return new Error("the server closed the connection");
}

/** The body is part of the head's bytes: one write, without a copy. */
function headOf({ method, path, headers = {}, body }: Request, port: number): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, `host: 127.0.0.1:${port}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined) lines.push(`content-length: ${body.length}`);
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), body ?? Buffer.alloc(0)]);
}

/** What the next byte of an answer is. */
const expect = { head: 0, body: 1, chunkSize: 2, chunk: 3, chunkEnd: 4, trailer: 5 } as const;
type State = (typeof expect)[keyof typeof expect];

function channelOn(socket: Socket): Channel {
  let state: State = expect.head;
  let text = ""; // a head or a line that is not whole yet
  let left = 0; // bytes of the body or of the chunk
  let status = 0;
  let bodyBytes = 0;
  let kept: Buffer[] = [];
  let current: { request: Request; keepBody: boolean; done: (error: Error | null, answer: Answer) => void } | null =
    null;

  const finish = (): void => {
    const answer = { bodyBytes, body: Buffer.concat(kept) };
    const ending = current;
    const wasStatus = status;
    state = expect.head;
    text = "";
    status = 0;
    bodyBytes = 0;
    kept = [];
    current = null;
    if (ending === null) throw new Error("an answer without a question");
    const isFine = wasStatus >= 200 && wasStatus < 300;
    ending.done(isFine ? null : refusal(ending.request, wasStatus, answer.body), answer);
  };

  let broken: Error | null = null;
  const nothing: Answer = { bodyBytes: 0, body: Buffer.alloc(0) };
  const fail = (error: Error): void => {
    broken ??= error;
    const ending = current;
    current = null;
    ending?.done(error, nothing);
  };

  /** Up to and without the mark; null when it is not there yet. */
  const take = (chunk: Buffer, at: number, mark: Buffer): { readonly text: string; readonly at: number } | null => {
    if (text === "") {
      const end = chunk.indexOf(mark, at);
      if (end >= 0) return { text: chunk.toString("latin1", at, end), at: end + mark.length };
    }
    const before = text.length;
    text += chunk.toString("latin1", at);
    const end = text.indexOf(mark.toString("latin1"));
    if (end < 0) return null;
    const found = text.slice(0, end);
    text = "";
    return { text: found, at: at + end + mark.length - before };
  };

  const readHead = (head: string): void => {
    status = Number(head.slice(9, 12));
    if (/^transfer-encoding: *chunked/im.test(head)) {
      state = expect.chunkSize;
      return;
    }
    const length = /^content-length: *(\d+)/im.exec(head);
    if (length === null && status !== 204) throw new Error(`an answer whose length is not said: ${head}`);
    left = Number(length?.[1] ?? 0);
    if (left === 0) finish();
    else state = expect.body;
  };

  const lineEnd = Buffer.from("\r\n");
  const read = (chunk: Buffer): void => {
    for (let at = 0; at < chunk.length; ) {
      if (state === expect.body || state === expect.chunk) {
        const taken = Math.min(left, chunk.length - at);
        bodyBytes += taken;
        if (current?.keepBody === true || status >= 300) kept.push(Buffer.from(chunk.subarray(at, at + taken)));
        at += taken;
        left -= taken;
        if (left > 0) return;
        if (state === expect.body) finish();
        else state = expect.chunkEnd;
        continue;
      }
      const found = take(chunk, at, state === expect.head ? headEnd : lineEnd);
      if (found === null) return;
      at = found.at;
      if (state === expect.head) readHead(found.text);
      else if (state === expect.chunkEnd) state = expect.chunkSize;
      else if (state === expect.chunkSize) {
        left = Number.parseInt(found.text, 16);
        state = left === 0 ? expect.trailer : expect.chunk;
      } else if (found.text === "") finish();
    }
  };

  socket.on("data", (chunk: Buffer) => {
    try {
      read(chunk);
    } catch (error) {
      fail(error as Error);
      socket.destroy();
    }
  });
  socket.on("error", fail);
  for (const end of ["end", "close"]) socket.on(end, () => fail(closedByServer()));
  if (socket.destroyed) fail(closedByServer());

  return {
    send({ request, head }: Prepared, keepBody, done) {
      if (broken !== null) return done(broken, nothing);
      current = { request, keepBody, done };
      socket.write(head);
    },
  };
}
