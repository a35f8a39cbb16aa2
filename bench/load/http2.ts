// HTTP/2 in the clear (h2c by prior knowledge, RFC 9113) as cheap as a client can be.
//
//   frame  | length 24 | type 8 | flags 8 | stream id 32 | payload ... |
//
// Owns: the frames, and both sides' flow control. Header blocks are made beforehand, as literals that
//   no table remembers (RFC 7541, 6.2.2), so that one block serves every stream.
// Never: decodes an answer's headers but for its status, which servers that compress at all send
//   as its place in the static table.

import type { Socket } from "node:net";
import { closedByServer, connected } from "./http1.ts";
import { type Answer, type Channel, type Prepared, type Request, refusal, type Wire } from "./wire.ts";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const frameHeadBytes = 9;
const type = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8, continuation: 9 };
const flag = { endStream: 1, acknowledged: 1, endHeaders: 4, padded: 8, priority: 32 };
const setting = { enablePush: 2, initialWindow: 4, maxFrame: 5 };
const largestWindow = 0x7fffffff;
const defaultWindow = 65_535;
/** The connection's window is filled up again when so much has been received. */
const topUpBytes = 256 << 20;

export async function openHttp2(port: number, connections: number, streams: number): Promise<Wire> {
  const opened = await Promise.all(
    Array.from({ length: connections }, async () => new Connection(await connected(port))),
  );
  return {
    channels: opened.flatMap((connection) =>
      Array.from(
        { length: streams },
        (): Channel => ({ send: (prepared, keepBody, done) => connection.send(prepared, keepBody, done) }),
      ),
    ),
    prepare: (request) => ({ request, head: headerBlock(request, port) }),
    close() {
      for (const { socket } of opened) socket.destroy();
    },
  };
}

function headerBlock({ method, path, headers = {}, body }: Request, port: number): Buffer {
  const fields: [string, string][] = [
    [":method", method],
    [":scheme", "http"],
    [":authority", `127.0.0.1:${port}`],
    [":path", path],
    ...Object.entries(headers),
  ];
  if (body !== undefined) fields.push(["content-length", String(body.length)]);
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

/** A string's length has a prefix of 7 bits; none of ours needs a second byte but the long paths. */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length >= 127 + 128) throw new Error(`a header of ${bytes.length} bytes is too long for this client`);
  const length = bytes.length < 127 ? [bytes.length] : [127, bytes.length - 127];
  return Buffer.concat([Buffer.from(length), bytes]);
}

const nothing: Answer = { bodyBytes: 0, body: Buffer.alloc(0) };

interface Stream {
  readonly request: Request;
  readonly keepBody: boolean;
  readonly done: (error: Error | null, answer: Answer) => void;
  window: number;
  sent: number;
  status: number;
  bodyBytes: number;
  kept: Buffer[];
}

class Connection {
  readonly socket: Socket;
  readonly #streams = new Map<number, Stream>();
  /** Those whose body waits for a window. */
  readonly #waiting = new Set<number>();
  #nextStream = 1;
  #window = defaultWindow;
  #streamWindow = defaultWindow;
  #maxFrame = 16_384;
  #receivedBytes = 0;
  /** A piece of a frame that is not whole yet; of DATA only the head is kept. */
  #rest: Buffer | null = null;
  #dataLeft = 0;
  #dataFlags = 0;
  #dataStream = 0;
  #settled = false;
  #broken: Error | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => this.#fail(error));
    for (const end of ["end", "close"]) socket.on(end, () => this.#fail(closedByServer()));
    if (socket.destroyed) this.#fail(closedByServer());
    const settings = Buffer.alloc(12);
    settings.writeUInt16BE(setting.enablePush, 0);
    settings.writeUInt16BE(setting.initialWindow, 6);
    settings.writeUInt32BE(largestWindow, 8);
    socket.write(preface);
    this.#write(type.settings, 0, 0, settings);
    this.#grant(largestWindow - defaultWindow);
  }

  send({ request, head }: Prepared, keepBody: boolean, done: Stream["done"]): void {
    if (this.#broken !== null) return done(this.#broken, nothing);
    const id = this.#nextStream;
    this.#nextStream += 2;
    const stream = {
      ...{ request, keepBody, done, window: this.#streamWindow },
      ...{ sent: 0, status: 0, bodyBytes: 0, kept: [] },
    };
    this.#streams.set(id, stream);
    const hasBody = request.body !== undefined && request.body.length > 0;
    this.socket.cork();
    this.#write(type.headers, flag.endHeaders | (hasBody ? 0 : flag.endStream), id, head);
    if (hasBody) this.#sendBody(id, stream);
    this.socket.uncork();
  }

  /** As much as the windows let through; the rest when they open. */
  #sendBody(id: number, stream: Stream): void {
    const { body } = stream.request as { readonly body: Uint8Array };
    // A server's settings may allow more than the defaults: a body waits for them once.
    while (this.#settled && stream.sent < body.length) {
      const size = Math.min(body.length - stream.sent, this.#window, stream.window, this.#maxFrame);
      if (size <= 0) break;
      const end = stream.sent + size;
      this.#write(type.data, end === body.length ? flag.endStream : 0, id, body.subarray(stream.sent, end));
      stream.sent = end;
      stream.window -= size;
      this.#window -= size;
    }
    if (stream.sent < body.length) this.#waiting.add(id);
    else this.#waiting.delete(id);
  }

  #sendWaiting(): void {
    this.socket.cork();
    for (const id of this.#waiting) this.#sendBody(id, this.#streams.get(id) as Stream);
    this.socket.uncork();
  }

  #write(kind: number, flags: number, id: number, payload: Uint8Array): void {
    const head = Buffer.allocUnsafe(frameHeadBytes);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = kind;
    head[4] = flags;
    head.writeUInt32BE(id, 5);
    this.socket.write(head);
    if (payload.length > 0) this.socket.write(payload);
  }

  #grant(bytes: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(bytes);
    this.#write(type.windowUpdate, 0, 0, payload);
  }

  #receive(received: Buffer): void {
    let chunk = received;
    if (this.#rest !== null) {
      chunk = Buffer.concat([this.#rest, received]);
      this.#rest = null;
    }
    let at = 0;
    while (at < chunk.length) {
      if (this.#dataLeft > 0) {
        at += this.#takeData(chunk, at);
        continue;
      }
      const isWhole = chunk.length - at >= frameHeadBytes;
      const length = isWhole ? chunk.readUIntBE(at, 3) : 0;
      const kind = chunk[at + 3];
      if (!isWhole || (kind !== type.data && chunk.length - at < frameHeadBytes + length)) {
        this.#rest = Buffer.from(chunk.subarray(at));
        return;
      }
      const flags = chunk[at + 4] as number;
      const id = chunk.readUInt32BE(at + 5) & largestWindow;
      at += frameHeadBytes;
      if (kind === type.data) {
        if ((flags & flag.padded) !== 0) return this.#fail(new Error("this client reads no padded frames"));
        [this.#dataLeft, this.#dataFlags, this.#dataStream] = [length, flags, id];
        if (length === 0 && (flags & flag.endStream) !== 0) this.#finish(id);
      } else {
        this.#take(kind as number, flags, id, chunk.subarray(at, at + length));
        at += length;
      }
    }
  }

  #takeData(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#dataLeft, chunk.length - at);
    const stream = this.#streams.get(this.#dataStream);
    if (stream !== undefined) {
      stream.bodyBytes += taken;
      if (stream.keepBody || stream.status < 0) stream.kept.push(Buffer.from(chunk.subarray(at, at + taken)));
    }
    this.#receivedBytes += taken;
    if (this.#receivedBytes >= topUpBytes) {
      this.#grant(this.#receivedBytes);
      this.#receivedBytes = 0;
    }
    this.#dataLeft -= taken;
    if (this.#dataLeft === 0 && (this.#dataFlags & flag.endStream) !== 0) this.#finish(this.#dataStream);
    return taken;
  }

  #take(kind: number, flags: number, id: number, payload: Buffer): void {
    switch (kind) {
      case type.settings:
        if ((flags & flag.acknowledged) === 0) this.#takeSettings(payload);
        break;
      case type.windowUpdate: {
        const more = payload.readUInt32BE(0);
        const stream = this.#streams.get(id);
        if (id === 0) this.#window += more;
        else if (stream !== undefined) stream.window += more;
        if (this.#waiting.size > 0) this.#sendWaiting();
        break;
      }
      case type.headers: {
        const stream = this.#streams.get(id);
        if (stream !== undefined && stream.status === 0) stream.status = statusOf(payload, flags);
        if ((flags & flag.endStream) !== 0) this.#finish(id);
        break;
      }
      case type.ping:
        if ((flags & flag.acknowledged) === 0) this.#write(type.ping, flag.acknowledged, 0, payload);
        break;
      case type.reset:
      case type.goAway:
        this.#fail(
          new Error(
            `the server ended a stream or the connection with code ${payload.readUInt32BE(payload.length >= 8 ? 4 : 0)}`,
          ),
        );
        break;
      default:
    }
  }

  #takeSettings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      const value = payload.readUInt32BE(at + 2);
      switch (payload.readUInt16BE(at)) {
        case setting.initialWindow:
          for (const stream of this.#streams.values()) stream.window += value - this.#streamWindow;
          this.#streamWindow = value;
          break;
        case setting.maxFrame:
          this.#maxFrame = value;
          break;
        default:
      }
    }
    this.#write(type.settings, flag.acknowledged, 0, Buffer.alloc(0));
    this.#settled = true;
    this.#sendWaiting();
  }

  #finish(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#streams.delete(id);
    this.#waiting.delete(id);
    const { request, done, status, bodyBytes, kept } = stream;
    const body = Buffer.concat(kept);
    done(status > 0 ? null : refusal(request, status, body), { bodyBytes, body });
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    const ending = [...this.#streams.values()];
    this.#streams.clear();
    this.#waiting.clear();
    this.socket.destroy();
    for (const { done } of ending) done(error, nothing);
  }
}

/** Of RFC 7541, appendix A: ":status" 200, 204 and 206 as indexed fields. */
const indexedStatuses: Readonly<Record<number, number>> = { 136: 200, 137: 204, 138: 206 };

/** The status when it is a place in the static table, after changes of the table's size; else -1. */
function statusOf(payload: Buffer, flags: number): number {
  let at = (flags & flag.padded) !== 0 ? 1 : 0;
  if ((flags & flag.priority) !== 0) at += 5;
  while (((payload[at] ?? 0) & 0xe0) === 0x20) at++;
  return indexedStatuses[payload[at] ?? 0] ?? -1;
}
