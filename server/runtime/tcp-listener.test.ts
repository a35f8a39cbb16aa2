// Whichever runtime runs the tests, its listener of plain TCP is proven here: #runtime is that one.

import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import { runtime } from "#runtime";
import { listenTcp, type TcpLimits } from "./node/tcp-listener.ts";
import { ListenError, type Listener, type SocketAddresses, type SocketPeer, type SocketWire } from "./runtime.ts";

const host = "127.0.0.1";
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let waited = 0; !isSo(); waited += 10) {
    if (waited > 5000) throw new Error(`not within 5 s: ${what}`);
    await sleep(10);
  }
}

/** A connection as the listener hands it over, and what has come of it. */
class Accepted implements SocketPeer {
  readonly wire: SocketWire;
  readonly addresses: SocketAddresses;
  readonly events: string[] = [];
  received: number[] = [];
  receivedBytes = 0;
  onReceive: ((chunk: Uint8Array) => void) | null = null;

  constructor(wire: SocketWire, addresses: SocketAddresses) {
    this.wire = wire;
    this.addresses = addresses;
  }

  receive(chunk: Uint8Array): void {
    ok(!this.events.includes("closed"), "bytes after the end");
    this.receivedBytes += chunk.length;
    if (this.receivedBytes < 1000) this.received.push(...chunk);
    this.onReceive?.(chunk);
  }

  drained(): void {
    this.events.push("drained");
  }

  closed(): void {
    this.events.push("closed");
  }

  finish(): void {
    if (this.events.includes("finish")) return;
    this.events.push("finish");
    this.wire.end();
  }
}

interface Listening {
  readonly port: number;
  readonly listener: Listener;
  readonly accepted: Accepted[];
  readonly errors: string[];
}

async function listening(use: (at: Listening) => Promise<void>, limits: Partial<TcpLimits> = {}): Promise<void> {
  const accepted: Accepted[] = [];
  const errors: string[] = [];
  const options = {
    ...{ host, port: 0 },
    connect(wire: SocketWire, addresses: SocketAddresses) {
      const one = new Accepted(wire, addresses);
      accepted.push(one);
      return one;
    },
    onError: (error: Error) => void errors.push(error.message),
  };
  const own = Object.keys(limits).length > 0;
  const listener = await (own ? listenTcp(options, limits) : runtime.listen(options));
  try {
    await use({ port: listener.port, listener, accepted, errors });
  } finally {
    await listener.close(0);
  }
}

async function connected({ port, accepted }: Listening): Promise<{ socket: net.Socket; one: Accepted }> {
  const before = accepted.length;
  const socket = net.connect({ port, host, allowHalfOpen: true });
  socket.on("error", () => {});
  await until("it is accepted", () => accepted.length > before);
  return { socket, one: accepted.at(-1)! };
}

/** All that comes until the other side ends. */
async function readToEnd(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
  socket.resume();
  await new Promise<void>((resolve) => {
    socket.once("end", () => resolve());
    socket.once("close", () => resolve());
  });
  return Buffer.concat(chunks);
}

test("bytes go both ways, in their order, and each is told of the other's address", async () => {
  await listening(async (at) => {
    const { socket, one } = await connected(at);
    const { port: localPort } = socket.address() as net.AddressInfo;
    strictEqual(one.addresses.remote, `127.0.0.1:${localPort}`);
    deepStrictEqual(one.addresses.local, { host, port: at.port });
    socket.write(Uint8Array.of(1, 2));
    socket.write(Uint8Array.of(3));
    await until("all has come", () => one.received.length === 3);
    deepStrictEqual(one.received, [1, 2, 3]);
    const sent: string[] = [];
    one.wire.write([Uint8Array.of(4), new Uint8Array(0), Uint8Array.of(5, 6)], () => void sent.push("first"));
    one.wire.write([Uint8Array.of(7)], () => void sent.push("second"));
    const read = readToEnd(socket);
    one.wire.end();
    deepStrictEqual([...(await read)], [4, 5, 6, 7]);
    deepStrictEqual(sent, ["first", "second"]);
    socket.end();
    await until("closed", () => one.events.includes("closed"));
  });
});

test("lent bytes may be overwritten once they are said to be sent", async () => {
  await listening(async (at) => {
    const { socket, one } = await connected(at);
    socket.pause();
    const memory = new Uint8Array(256 * 1024);
    const rounds = 120;
    let round = 0;
    const expected: number[] = [];
    const next = (): void => {
      if (round === rounds) return one.wire.end();
      expected.push(round);
      memory.fill(round);
      round += 1;
      one.wire.write([memory.subarray(0, 10), memory.subarray(10)], () => {
        memory.fill(255);
        next();
      });
    };
    next();
    await sleep(50);
    ok(round < rounds, "its peer has taken nothing yet");
    const bytes = await readToEnd(socket);
    strictEqual(bytes.length, rounds * memory.length);
    for (const [place, value] of expected.entries()) {
      const piece = bytes.subarray(place * memory.length, (place + 1) * memory.length);
      ok(
        piece.every((byte) => byte === value),
        `round ${place}`,
      );
    }
    socket.destroy();
  });
});

test("a wire that holds enough says so, and when it has room again", async () => {
  await listening(async (at) => {
    const { socket, one } = await connected(at);
    socket.pause();
    let writes = 0;
    let sent = 0;
    const chunk = new Uint8Array(512 * 1024);
    while (one.wire.write([chunk], () => void (sent += 1))) {
      writes += 1;
      ok(writes < 1000, "it never said so");
      await sleep(0);
    }
    writes += 1;
    deepStrictEqual(one.events, []);
    socket.resume();
    await until("drained", () => one.events.includes("drained"));
    strictEqual(sent, writes);
    socket.destroy();
  });
});

test("a paused wire leaves the bytes to the peer's own buffers", async () => {
  await listening(async (at) => {
    const { socket, one } = await connected(at);
    one.wire.pause();
    const total = 64 * 1024 * 1024;
    const piece = Buffer.alloc(1024 * 1024);
    let written = 0;
    const write = (): void => {
      while (written < total && socket.write(piece)) written += piece.length;
    };
    socket.on("drain", write);
    write();
    await sleep(200);
    const early = one.receivedBytes;
    ok(early < 8 * 1024 * 1024, `${early} bytes came`);
    one.wire.resume();
    await until("it goes on", () => one.receivedBytes > early + 8 * 1024 * 1024);
    socket.destroy();
  });
});

test("a peer that is gone has sent all that it will: every loan ends, once", async () => {
  await listening(async (at) => {
    const { socket, one } = await connected(at);
    socket.pause();
    let sent = 0;
    let writes = 0;
    for (; writes < 60; writes++) one.wire.write([new Uint8Array(512 * 1024)], () => void (sent += 1));
    await sleep(50);
    ok(sent < writes);
    socket.resetAndDestroy();
    await until("closed", () => one.events.includes("closed"));
    await sleep(20);
    strictEqual(sent, writes);
    one.wire.write([Uint8Array.of(1)], () => void (sent += 1));
    await until("what is written after it is given back too", () => sent === writes + 1);
    deepStrictEqual(at.errors, [], "a peer may go as it likes");
  });
});

test("who has said all it wants still gets its answers", async () => {
  await listening(async (at) => {
    const { socket, one } = await connected(at);
    one.onReceive = () => void one.wire.write([new Uint8Array(3_000_000)], () => {});
    const read = readToEnd(socket);
    socket.end(Uint8Array.of(1));
    strictEqual((await read).length, 3_000_000);
    await until("closed", () => one.events.includes("closed"));
  });
});

test("what comes after the end is thrown away, and takes no answer with it", async () => {
  await listening(async (at) => {
    const { socket, one } = await connected(at);
    one.onReceive = () => {
      one.onReceive = null;
      one.wire.write([new Uint8Array(1_000_000)], () => {});
      one.wire.pause();
      one.wire.end();
    };
    socket.pause();
    for (let count = 0; count < 20; count++) socket.write(Buffer.alloc(64 * 1024));
    await sleep(100);
    strictEqual((await readToEnd(socket)).length, 1_000_000);
    await until("its peer's end is not awaited for ever", () => one.events.includes("closed"));
  });
});

test("a peer that takes nothing is cut, and sees nothing of what its memory is used for next", async () => {
  const stalled = { patienceMs: 200, leastBytesPerSecond: 1e9 };
  await listening(
    async (at) => {
      const { socket, one } = await connected(at);
      socket.pause();
      let sent = 0;
      for (let count = 0; count < 40; count++) {
        const memory = new Uint8Array(512 * 1024);
        one.wire.write([memory], () => {
          sent += 1;
          memory.fill(255);
        });
      }
      await until("cut", () => one.events.includes("closed"));
      strictEqual(sent, 40);
      const bytes = await readToEnd(socket);
      ok(bytes.every((byte) => byte === 0));
      match(at.errors.join(), /takes no answer/);
      socket.destroy();
    },
    { stalled },
  );
});

test("more connections than there may be are turned away, which is said once", async () => {
  await listening(
    async (at) => {
      const { socket: first } = await connected(at);
      const { socket: second } = await connected(at);
      for (let count = 0; count < 3; count++) {
        const late = net.connect(at.port, host);
        late.on("error", () => {});
        await readToEnd(late);
      }
      strictEqual(at.accepted.length, 2);
      deepStrictEqual(at.errors, ["over 2 connections are turned away"]);
      first.destroy();
      await until("its place is free", () => at.accepted[0]!.events.includes("closed"));
      const { socket: third } = await connected(at);
      second.destroy();
      third.destroy();
    },
    { maxConnections: 2 },
  );
});

test("a stop lets peers finish, and cuts those who do not", async () => {
  await listening(async (at) => {
    const { socket, one } = await connected(at);
    const { socket: rude, one: stubborn } = await connected(at);
    stubborn.finish = () => void stubborn.events.push("finish");
    const read = readToEnd(socket);
    one.wire.write([new Uint8Array(2_000_000)], () => {});
    const began = performance.now();
    const closing = at.listener.close(300);
    strictEqual((await read).length, 2_000_000);
    socket.destroy();
    await closing;
    const tookMs = performance.now() - began;
    ok(tookMs > 250 && tookMs < 3000, `${tookMs} ms`);
    await until("closed", () => stubborn.events.includes("closed"));
    ok(stubborn.events.includes("finish"));
    await rejects(new Promise((_, reject) => net.connect(at.port, host).once("error", reject)), /ECONNREFUSED/);
    rude.destroy();
  });
});

test("a port that cannot be had is told by its kind", async () => {
  await listening(async ({ port }) => {
    const nobody = { connect: () => ({}) as SocketPeer, onError: () => {} };
    await rejects(runtime.listen({ host, port, ...nobody }), (error) => {
      return error instanceof ListenError && error.kind === "in-use";
    });
    await rejects(runtime.listen({ host: "192.0.2.1", port: 0, ...nobody }), (error) => {
      return error instanceof ListenError && error.kind === "address";
    });
  });
});
