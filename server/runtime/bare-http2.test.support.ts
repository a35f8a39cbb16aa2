// An HTTP/2 peer that does only what a test tells it, for what no decent client does.
//
// Owns: frames (RFC 9113, 4.1), and what came of them. Never: acknowledges, or opens a window, unasked.

import net from "node:net";

export const frames = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, windowUpdate: 8 } as const;
const acknowledgement = 1;
const endStream = 1;
const endHeaders = 4;
const cancelled = 8;
const initialWindowSize = 4;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export class BareHttp2 {
  readonly socket: net.Socket;
  /** Of the other side, in their order; acknowledgements are left out. */
  readonly came: Frame[] = [];
  #unread: Buffer = Buffer.alloc(0);
  #waiting: (() => void)[] = [];
  #nextStream = 1;

  constructor(port: number) {
    this.socket = net.connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk: Buffer) => this.#read(chunk));
    this.socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    this.send(frames.settings, 0, 0);
  }

  send(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): void {
    this.socket.write(frame(type, flags, stream, payload));
  }

  acknowledgeSettings(): void {
    this.send(frames.settings, acknowledgement, 0);
  }

  answerPing({ payload }: Frame): void {
    this.send(frames.ping, acknowledgement, 0, payload);
  }

  /** Lets the other side send so much more on all streams together. */
  widenConnection(sizeBytes: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(sizeBytes);
    this.send(frames.windowUpdate, 0, 0, payload);
  }

  /** A request for /, whose body does not end when it is a POST. */
  request(method: "GET" | "POST"): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    // By HPACK's static table: the method, http, /, and the authority "x" (RFC 7541, appendix A).
    const head = Buffer.from([method === "GET" ? 0x82 : 0x83, 0x86, 0x84, 0x41, 1, 0x78]);
    this.send(frames.headers, endHeaders | (method === "GET" ? endStream : 0), stream, head);
    return stream;
  }

  reset(stream: number): void {
    this.send(frames.reset, 0, stream, Buffer.from([0, 0, 0, cancelled]));
  }

  /** The windows that each of the SETTINGS so far gave a stream, where it said one. */
  windows(): number[] {
    return this.came
      .filter(({ type }) => type === frames.settings)
      .flatMap(({ payload }) => {
        for (let at = 0; at < payload.length; at += 6)
          if (payload.readUInt16BE(at) === initialWindowSize) return [payload.readUInt32BE(at + 2)];
        return [];
      });
  }

  /** Once a frame has come that satisfies, counted from the first of all. */
  async until(satisfies: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.came.find(satisfies);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #read(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    for (;;) {
      if (this.#unread.length < 9) break;
      const end = 9 + this.#unread.readUIntBE(0, 3);
      if (this.#unread.length < end) break;
      const [type, flags] = [this.#unread[3] as number, this.#unread[4] as number];
      const stream = this.#unread.readUInt32BE(5) & 0x7fffffff;
      const payload = this.#unread.subarray(9, end);
      this.#unread = this.#unread.subarray(end);
      if ((type === frames.settings || type === frames.ping) && (flags & acknowledgement) !== 0) continue;
      this.came.push({ type, flags, stream, payload });
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
