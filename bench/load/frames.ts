// Frames of a 4-byte length on one connection, several under way at once: Kafka's way, and the bare TCP servers'.
//
// Owns: the connection, and which answer is whose: they come in the order of the requests.
// Never: reads an answer beyond its length; who asks with `ask` judges it.

import { closedByServer, connected } from "./http1.ts";
import type { Answer, Channel, Prepared, Wire } from "./wire.ts";

type Done = (error: Error | null, answer: Answer) => void;

const nothing: Answer = { bodyBytes: 0, body: Buffer.alloc(0) };

/** `width` requests are under way at once. A request's body is its frame, length and all. */
export async function openFrames(port: number, width: number): Promise<Wire> {
  const socket = await connected(port);
  const waiting: { readonly keepBody: boolean; readonly done: Done }[] = [];
  let broken: Error | null = null;
  let left = 0;
  let prefix: Buffer = Buffer.alloc(0);
  let bodyBytes = 0;
  let kept: Buffer[] = [];

  const fail = (error: Error): void => {
    broken ??= error;
    for (const { done } of waiting.splice(0)) done(error, nothing);
  };

  const read = (chunk: Buffer): void => {
    for (let at = 0; at < chunk.length; ) {
      if (left === 0) {
        const needed = 4 - prefix.length;
        prefix = Buffer.concat([prefix, chunk.subarray(at, at + needed)]);
        at += needed;
        if (prefix.length < 4) return;
        left = prefix.readInt32BE(0);
        prefix = Buffer.alloc(0);
      }
      const taken = Math.min(left, chunk.length - at);
      if (waiting[0]?.keepBody === true) kept.push(Buffer.from(chunk.subarray(at, at + taken)));
      bodyBytes += taken;
      left -= taken;
      at += taken;
      if (left > 0) return;
      const answer = { bodyBytes, body: Buffer.concat(kept) };
      bodyBytes = 0;
      kept = [];
      const answered = waiting.shift();
      if (answered === undefined) return void socket.destroy(new Error("an answer without a question"));
      answered.done(null, answer);
    }
  };

  socket.on("data", read);
  socket.on("error", fail);
  for (const end of ["end", "close"]) socket.on(end, () => fail(closedByServer()));
  const channel: Channel = {
    send({ head }: Prepared, keepBody, done) {
      if (broken !== null) return done(broken, nothing);
      waiting.push({ keepBody, done });
      socket.write(head);
    },
  };
  return {
    channels: Array.from({ length: width }, () => channel),
    prepare: (request) => ({ request, head: Buffer.from(request.body ?? []) }),
    close: () => void socket.destroy(),
  };
}
