// Whichever runtime runs the tests, its listener is proven here: #runtime is that one.

import assert from "node:assert/strict";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import { test } from "node:test";
import { runtime } from "#runtime";
import { BareHttp2, type Frame, frame, frames } from "./bare-http2.test.support.ts";
import { ListenError, type Listener, type ServeOptions } from "./runtime.ts";
import { testCert, testKey } from "./tls.test.support.ts";

const host = "127.0.0.1";
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took over ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function serving(
  options: Partial<ServeOptions> & Pick<ServeOptions, "fetch">,
  use: (port: number, listener: Listener) => Promise<void>,
): Promise<void> {
  const listener = await runtime.serve({ host, port: 0, ...options });
  try {
    await use(listener.port, listener);
  } finally {
    await within(5000, listener.close(100), "close");
  }
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly version: string;
}

function viaHttp1(
  port: number,
  path: string,
  options: https.RequestOptions & { body?: Buffer } = {},
  secure = false,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).request(
      { host, port, path, agent: false, rejectUnauthorized: false, ...options },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks), version: response.httpVersion }),
        );
        response.on("error", reject);
      },
    );
    request.on("error", reject);
    request.end(options.body);
  });
}

async function withSession(url: string, use: (session: http2.ClientHttp2Session) => Promise<void>): Promise<void> {
  const session = http2.connect(url, { rejectUnauthorized: false });
  session.on("error", () => {});
  try {
    await use(session);
  } finally {
    session.close();
    session.destroy();
  }
}

function viaHttp2(session: http2.ClientHttp2Session, path: string, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":path": path, ":method": body === undefined ? "GET" : "POST" });
    const chunks: Buffer[] = [];
    let status = 0;
    stream.on("response", (headers) => {
      status = Number(headers[":status"]);
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => resolve({ status, body: Buffer.concat(chunks), version: "2" }));
    stream.on("error", reject);
    stream.end(body);
  });
}

const echo = async (request: Request): Promise<Response> => {
  const body = await request.arrayBuffer();
  return new Response(`${request.method} ${new URL(request.url).pathname} ${body.byteLength}`);
};
const large = Buffer.alloc(3_000_000, 7);

test("HTTP/1.1 and HTTP/2 by prior knowledge share a port", async () => {
  await serving({ fetch: echo }, async (port) => {
    assert.equal(String((await viaHttp1(port, "/a")).body), "GET /a 0");
    assert.equal(String((await viaHttp1(port, "/b", { method: "POST", body: large })).body), "POST /b 3000000");
    await withSession(`http://${host}:${port}`, async (session) => {
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => viaHttp2(session, `/${i}`)));
      assert.deepEqual(
        answers.map(({ status, body }) => `${status} ${body}`),
        answers.map((_, i) => `200 GET /${i} 0`),
      );
      assert.equal(String((await viaHttp2(session, "/c", large)).body), "POST /c 3000000");
    });
  });
});

test("under TLS the client chooses by ALPN", async () => {
  await serving({ fetch: echo, tls: { key: testKey, cert: testCert } }, async (port) => {
    const first = await viaHttp1(port, "/a", {}, true);
    assert.equal(`${first.version} ${first.body}`, "1.1 GET /a 0");
    await withSession(`https://${host}:${port}`, async (session) => {
      assert.equal(String((await viaHttp2(session, "/b", large)).body), "POST /b 3000000");
      assert.equal(session.alpnProtocol, "h2");
    });
  });
});

test("first bytes may come one by one", async () => {
  await serving({ fetch: echo }, async (port) => {
    for (const [sent, wanted] of [
      ["GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "GET /slow 0"],
      ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0", "\u0004\0"],
    ] as const) {
      const socket = net.connect(port, host);
      socket.setNoDelay(true);
      const seen = new Promise<void>((resolve, reject) => {
        let all = "";
        socket.on("data", (chunk: Buffer) => {
          all += chunk.toString("latin1");
          if (all.includes(wanted)) resolve();
        });
        socket.on("error", reject);
        socket.on("close", () => reject(new Error(`closed after ${JSON.stringify(all)}`)));
      });
      for (const letter of sent.slice(0, 16)) {
        socket.write(letter);
        await sleep(2);
      }
      socket.write(Buffer.from(sent.slice(16), "latin1"));
      await within(5000, seen, "the answer");
      socket.destroy();
    }
  });
});

test("what is no HTTP is refused, and the listener goes on", async () => {
  await serving({ fetch: echo }, async (port) => {
    for (const bytes of [
      "\u0016\u0003\u0001garbage\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame at all, is it?",
      "PRI * HTTP/9.9\r\n\r\n",
      "\r\n\r\n\0\0",
    ]) {
      const socket = net.connect(port, host, () => socket.end(bytes));
      socket.on("error", () => {});
      socket.resume();
      await within(5000, new Promise((resolve) => socket.on("close", resolve)), "the end");
    }
    assert.equal((await viaHttp1(port, "/still")).status, 200);
  });
});

test("a handler that throws is a 500, told to onError, and the listener goes on", async () => {
  const told: unknown[] = [];
  const fetch = (request: Request): Promise<Response> =>
    request.url.endsWith("/throw") ? Promise.reject(new Error("boom")) : echo(request);
  await serving({ fetch, onError: (error) => told.push(error) }, async (port) => {
    assert.equal((await viaHttp1(port, "/throw")).status, 500);
    await withSession(`http://${host}:${port}`, async (session) =>
      assert.equal((await viaHttp2(session, "/throw")).status, 500),
    );
    assert.deepEqual(
      told.map((error) => (error as Error).message),
      ["boom", "boom"],
    );
    assert.equal((await viaHttp1(port, "/still")).status, 200);
  });
});

test("a client that leaves aborts its request's signal", async () => {
  const arrived: (() => void)[] = [];
  const aborted: (() => void)[] = [];
  const fetch = (request: Request): Promise<Response> => {
    return new Promise((resolve) => {
      request.signal.addEventListener("abort", () => {
        aborted.shift()?.();
        resolve(new Response("too late"));
      });
      arrived.shift()?.();
    });
  };
  await serving({ fetch }, async (port) => {
    const next = (list: (() => void)[]): Promise<void> => new Promise((resolve) => list.push(resolve));

    let [here, gone] = [next(arrived), next(aborted)];
    const request = http.get({ host, port, path: "/", agent: false });
    request.on("error", () => {});
    await within(5000, here, "HTTP/1.1 request");
    request.destroy();
    await within(5000, gone, "HTTP/1.1 abort");

    await withSession(`http://${host}:${port}`, async (session) => {
      [here, gone] = [next(arrived), next(aborted)];
      const stream = session.request({ ":path": "/" });
      stream.on("error", () => {});
      await within(5000, here, "HTTP/2 request");
      stream.close(http2.constants.NGHTTP2_CANCEL);
      await within(5000, gone, "HTTP/2 abort");
    });
  });
});

/** What a listener's own body port said of each request; null where it has none. */
function bodyPort(): {
  readonly said: (string | null)[];
  readonly fetch: ServeOptions["fetch"];
  next(): Promise<void>;
} {
  const said: (string | null)[] = [];
  let over = (): void => {};
  const fetch: ServeOptions["fetch"] = (_request, exchange) =>
    new Promise((resolve) => {
      let sizeBytes = 0;
      const settle = (word: string | null): void => {
        said.push(word === null ? null : `${word} ${sizeBytes}`);
        over();
        resolve(new Response("read"));
      };
      if (exchange?.readBody === undefined) return settle(null);
      let isWithin = true;
      const flow = exchange.readBody({
        chunk(bytes) {
          assert.ok(!isWithin && bytes.length > 0);
          sizeBytes += bytes.length;
          flow.pause();
          setTimeout(() => flow.resume(), 1);
        },
        end: () => settle("whole"),
        broken: () => settle("broken"),
      });
      isWithin = false;
    });
  const next = (): Promise<void> => new Promise((resolve) => (over = resolve));
  return { said, fetch, next };
}

test("a body comes whole through the listener's port, or is said to be broken, once", async () => {
  const { said, fetch, next } = bodyPort();
  await serving({ fetch }, async (port) => {
    const has = runtime.name === "node";
    const saying = (word: string): string | null => (has ? word : null);
    await viaHttp1(port, "/", { method: "POST", body: large });
    await viaHttp1(port, "/", { method: "POST", headers: { "content-length": 0 } });
    await withSession(`http://${host}:${port}`, async (session) => {
      await viaHttp2(session, "/", large);
      await viaHttp2(session, "/", Buffer.alloc(0));
    });
    assert.deepEqual(said.splice(0), ["whole 3000000", "whole 0", "whole 3000000", "whole 0"].map(saying));

    for (const head of ["content-length: 10", "transfer-encoding: chunked"]) {
      const over = next();
      const socket = net.connect(port, host);
      socket.write(`POST / HTTP/1.1\r\nhost: x\r\n${head}\r\n\r\n${head.startsWith("t") ? "3\r\nabc\r\n" : "abc"}`);
      setTimeout(() => socket.destroy(), 50);
      await within(5000, over, head);
    }
    // By hand: node's client ends a stream before it resets it, and then the body is whole.
    for (const code of [http2.constants.NGHTTP2_CANCEL, http2.constants.NGHTTP2_NO_ERROR]) {
      const over = next();
      const socket = net.connect(port, host);
      const post = Buffer.from([0x83, 0x86, 0x84, 0x41, 1, 0x78]);
      socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, Buffer.alloc(0))]));
      socket.write(Buffer.concat([frame(1, 4, 1, post), frame(0, 0, 1, Buffer.from("abc"))]));
      setTimeout(() => socket.write(frame(3, 0, 1, Buffer.from([0, 0, 0, code]))), 50);
      await within(5000, over, `HTTP/2 reset with ${code}`);
      socket.destroy();
    }
    const over = next();
    await withSession(`http://${host}:${port}`, async (session) => {
      const stream = session.request({ ":path": "/", ":method": "POST" });
      stream.on("error", () => {});
      stream.write("abc");
      await sleep(50);
    });
    await within(5000, over, "HTTP/2 connection's end");
    await sleep(50);
    assert.deepEqual(
      said,
      Array.from({ length: 5 }, () => saying("broken 3")),
    );
  });
});

test("an answer that has left, or never will, is told of once", async () => {
  if (runtime.name === "bun") return; // Bun gives no sign of it
  let told = 0;
  let over = (): void => {};
  const fetch: ServeOptions["fetch"] = async (_request, exchange) => {
    exchange?.onSent?.(() => {
      told += 1;
      over();
    });
    return new Response(large);
  };
  await serving({ fetch }, async (port) => {
    const next = (): Promise<void> => new Promise((resolve) => (over = resolve));
    let sent = next();
    assert.equal((await viaHttp1(port, "/")).body.length, large.length);
    await within(5000, sent, "HTTP/1.1");
    await withSession(`http://${host}:${port}`, async (session) => {
      sent = next();
      assert.equal((await viaHttp2(session, "/")).body.length, large.length);
      await within(5000, sent, "HTTP/2");
      sent = next();
      const cut = session.request({ ":path": "/" });
      cut.on("error", () => {});
      await new Promise((resolve) => cut.once("response", resolve));
      cut.close(http2.constants.NGHTTP2_CANCEL);
      await within(5000, sent, "HTTP/2 reset");
    });
    sent = next();
    const socket = net.connect(port, host, () => socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
    socket.once("data", () => socket.destroy());
    await within(5000, sent, "HTTP/1.1 connection's end");
    assert.equal(told, 4);
  });
});

test("close lets a request in flight finish and refuses new connections", async () => {
  let arrived = (): void => {};
  const here = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  let answer = (): void => {};
  const mayAnswer = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const listener = await runtime.serve({
    host,
    port: 0,
    async fetch() {
      arrived();
      await mayAnswer;
      return new Response("finished");
    },
  });
  const { port } = listener;
  const slow = viaHttp1(port, "/slow");
  await within(5000, here, "the request");
  const closed = listener.close(5000);
  assert.equal(listener.close(0), closed);
  await sleep(50);
  answer();
  assert.equal(String((await slow).body), "finished");
  await within(5000, closed, "close");
  await assert.rejects(viaHttp1(port, "/new"));
});

test("close cuts what takes longer than its grace", async () => {
  let arrived = (): void => {};
  const here = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const listener = await runtime.serve({
    host,
    port: 0,
    fetch: (request) =>
      new Promise((resolve) => {
        request.signal.addEventListener("abort", () => resolve(new Response()));
        arrived();
      }),
  });
  const request = http.get({ host, port: listener.port, path: "/", agent: false });
  request.on("error", () => {});
  await within(5000, here, "the request");
  await within(5000, listener.close(50), "close");
  request.destroy();
});

test("why it cannot listen is said as a kind", async () => {
  const taken = net.createServer();
  await new Promise<void>((resolve) => taken.listen(0, host, resolve));
  const { port } = taken.address() as net.AddressInfo;
  try {
    await assert.rejects(
      runtime.serve({ host, port, fetch: echo }),
      (error) => error instanceof ListenError && error.kind === "in-use",
    );
    await serving({ fetch: echo }, async (own) => {
      await assert.rejects(
        runtime.serve({ host, port: own, fetch: echo }),
        (error) => error instanceof ListenError && error.kind === "in-use",
      );
    });
    // 203.0.113.0/24 is for documents (RFC 5737): nobody's address.
    await assert.rejects(
      runtime.serve({ host: "203.0.113.7", port: 0, fetch: echo }),
      (error) => error instanceof ListenError && error.kind === "address",
    );
    const tls = { key: "no key", cert: "no certificate" };
    await assert.rejects(
      runtime.serve({ host, port: 0, tls, fetch: echo }),
      (error) => error instanceof ListenError && error.kind === "tls",
    );
  } finally {
    await new Promise((resolve) => taken.close(resolve));
  }
});

// Bun's and Deno's listeners have limits of their own, which nothing here sets.
if (runtime.name === "node") {
  test("an HTTP/2 connection is closed once it has no stream, and not before", async () => {
    const { serveNode } = await import("./node/listener.ts");
    let answer = (): void => {};
    const mayAnswer = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const fetch = async (): Promise<Response> => {
      await mayAnswer;
      return new Response("late");
    };
    const listener = await serveNode({ host, port: 0, fetch }, { maxConnections: 10, idleSessionTimeoutMs: 100 });
    try {
      await withSession(`http://${host}:${listener.port}`, async (silent) => {
        await within(5000, new Promise((resolve) => silent.once("close", resolve)), "the silent connection's end");
      });
      await withSession(`http://${host}:${listener.port}`, async (session) => {
        const closed = new Promise((resolve) => session.once("close", resolve));
        const answers = [viaHttp2(session, "/first"), viaHttp2(session, "/second")];
        await sleep(500);
        assert.ok(!session.closed && !session.destroyed, "its streams keep it");
        answer();
        for (const { body } of await Promise.all(answers)) assert.equal(String(body), "late");
        await within(5000, closed, "the idle connection's end");
      });
    } finally {
      await within(5000, listener.close(100), "close");
    }
  });

  test("connections beyond the most there may be are closed", async () => {
    const { serveNode } = await import("./node/listener.ts");
    const listener = await serveNode({ host, port: 0, fetch: echo }, { maxConnections: 1, idleSessionTimeoutMs: 1000 });
    try {
      const first = net.connect(listener.port, host);
      await new Promise((resolve) => first.once("connect", resolve));
      await assert.rejects(viaHttp1(listener.port, "/second"));
      first.destroy();
    } finally {
      await within(5000, listener.close(100), "close");
    }
  });

  const mebibyte = 1024 * 1024;

  test("HTTP/2 windows are granted out of the budget: many to one connection, few to each of many", async () => {
    await serving({ fetch: () => new Promise<Response>(() => {}) }, async (port) => {
      const sessions: http2.ClientHttp2Session[] = [];
      const granted = (): number[] =>
        sessions.map(({ remoteSettings }) => remoteSettings.initialWindowSize! * remoteSettings.maxConcurrentStreams!);
      const join = async (): Promise<void> => {
        const session = http2.connect(`http://${host}:${port}`);
        session.on("error", () => {});
        sessions.push(session);
        await new Promise((resolve) => session.once("remoteSettings", resolve));
        await sleep(50);
      };
      try {
        await join();
        assert.deepEqual(granted(), [50 * mebibyte]);
        for (let count = 2; count <= 20; count += 1) {
          await join();
          const sum = granted().reduce((all, one) => all + one, 0);
          assert.ok(sum <= 64 * mebibyte + count * 6.25 * mebibyte, `${count}: ${sum}`);
        }
        assert.deepEqual(new Set(granted()), new Set([6.25 * mebibyte]));
        for (const session of sessions.splice(1)) session.destroy();
        await sleep(100);
        assert.deepEqual(granted(), [50 * mebibyte], "what others had is given back");
      } finally {
        for (const session of sessions) session.destroy();
      }
    });
  });

  test("hostile connections make us hold no more than the budget and their floors", async () => {
    await serving({ fetch: () => new Promise<Response>(() => {}) }, async (port) => {
      const sessions: http2.ClientHttp2Session[] = [];
      let before = -1;
      const sentBytes = (): number => sessions.reduce((sum, { socket }) => sum + socket.bytesWritten, 0);
      try {
        for (let count = 0; count < 4; count += 1) {
          const session = http2.connect(`http://${host}:${port}`);
          session.on("error", () => {});
          sessions.push(session);
          await new Promise((resolve) => session.once("remoteSettings", resolve));
          await sleep(50);
          for (let at = 0; at < 100; at += 1) {
            const stream = session.request({ ":path": "/", ":method": "POST" });
            stream.on("error", () => {});
            stream.write(Buffer.alloc(mebibyte));
          }
          // All that this one may send is here before the next one comes and shrinks its share.
          before = -1;
          while (sentBytes() > before) {
            before = sentBytes();
            await sleep(200);
          }
        }
        assert.ok(before > 40 * mebibyte, `${before}: what is granted can be used`);
        assert.ok(before < (64 + 4 * 6.25 + 1) * mebibyte, `${before}`);
      } finally {
        for (const session of sessions) session.destroy();
      }
    });
  });

  test("a window that a peer keeps by not acknowledging a smaller one counts, and so do the streams opened with it", async () => {
    await serving({ fetch: () => new Promise<Response>(() => {}) }, async (port) => {
      const kibibyte = 1024;
      const first = new BareHttp2(port);
      const windowsOf = async (peer: BareHttp2, count: number): Promise<number[]> => {
        for (let waited = 0; peer.windows().length < count && waited < 5000; waited += 10) await sleep(10);
        await sleep(150); // and none beyond them
        return peer.windows();
      };
      let second: BareHttp2 | undefined;
      try {
        await windowsOf(first, 1);
        first.acknowledgeSettings();
        assert.deepEqual(await windowsOf(first, 2), [64 * kibibyte, 512 * kibibyte]);
        first.acknowledgeSettings();

        second = new BareHttp2(port);
        second.acknowledgeSettings();
        assert.deepEqual(await windowsOf(first, 3), [64 * kibibyte, 512 * kibibyte, 256 * kibibyte]);
        // 100 streams of the first may still have 512 KiB: 14 MiB are left.
        assert.deepEqual(await windowsOf(second, 2), [64 * kibibyte, 128 * kibibyte]);
        second.acknowledgeSettings();
        assert.equal((await windowsOf(second, 2)).length, 2, "nothing more until the first has acknowledged");

        const streams = Array.from({ length: 60 }, () => first.request("POST"));
        first.acknowledgeSettings();
        // 60 of them keep what they were opened with, 40 have the smaller window: 24 MiB are left, one too few.
        assert.equal((await windowsOf(second, 2)).length, 2, "nothing more while those streams are open");
        for (const stream of streams) first.reset(stream);
        assert.deepEqual(await windowsOf(second, 3), [64 * kibibyte, 128 * kibibyte, 256 * kibibyte]);
      } finally {
        first.socket.destroy();
        second?.socket.destroy();
      }
    });
  });

  test("the bytes of a stream that was reset are held until nothing queued before can point to them", async () => {
    const left: string[] = [];
    let came = 0;
    const fetch: ServeOptions["fetch"] = async (_request, exchange) => {
      came += 1;
      const name = `answer ${came}`;
      exchange?.onSent?.(() => left.push(name));
      return new Response(large);
    };
    await serving({ fetch }, async (port) => {
      const peer = new BareHttp2(port);
      const pings = (): Frame[] => peer.came.filter(({ type }) => type === frames.ping);
      const untilPings = async (count: number): Promise<Frame> => {
        await within(
          5000,
          peer.until(() => pings().length >= count),
          `ping ${count}`,
        );
        await sleep(100);
        assert.equal(pings().length, count);
        return pings()[count - 1] as Frame;
      };
      const cut = async (): Promise<void> => {
        const stream = peer.request("GET");
        // What its window lets through is here; the rest is queued.
        await within(
          5000,
          peer.until((one) => one.type === frames.data && one.stream === stream),
          "its first bytes",
        );
        peer.reset(stream);
      };
      try {
        peer.acknowledgeSettings();
        peer.widenConnection(mebibyte); // a stream's own 64 KiB are what stops it
        await cut();
        const first = await untilPings(1);
        assert.deepEqual(left, [], "it may still be sent");
        // What is reset after a question was asked is not covered by its answer.
        await cut();
        await sleep(100);
        peer.answerPing(first);
        const second = await untilPings(2);
        assert.deepEqual(left, ["answer 1"]);
        peer.answerPing(second);
        for (let waited = 0; left.length < 2 && waited < 5000; waited += 10) await sleep(10);
        assert.deepEqual(left, ["answer 1", "answer 2"]);
        // Nothing can be sent any more once the connection is gone.
        await cut();
        await untilPings(3);
        peer.socket.destroy();
        for (let waited = 0; left.length < 3 && waited < 5000; waited += 10) await sleep(10);
        assert.deepEqual(left, ["answer 1", "answer 2", "answer 3"]);
      } finally {
        peer.socket.destroy();
      }
    });
  });

  test("a peer that keeps a large window by never acknowledging a smaller one is cut", async () => {
    const { serveNode } = await import("./node/listener.ts");
    const listener = await serveNode({ host, port: 0, fetch: echo }, { acknowledgeMs: 100 });
    const silent = net.connect(listener.port, host);
    try {
      silent.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, Buffer.alloc(0))]));
      silent.on("error", () => {});
      silent.resume();
      await within(5000, new Promise((resolve) => silent.once("close", resolve)), "its end");
      await withSession(`http://${host}:${listener.port}`, async (session) => {
        await sleep(300);
        assert.equal((await viaHttp2(session, "/")).status, 200, "who acknowledges stays");
      });
    } finally {
      silent.destroy();
      await within(5000, listener.close(100), "close");
    }
  });

  test("an answer that waits behind another on its connection is not cut: its client cannot take it yet", async () => {
    const { serveNode } = await import("./node/listener.ts");
    const fetch: ServeOptions["fetch"] = async ({ url }, exchange) => {
      if (url.endsWith("/poll")) {
        await sleep(1500);
        return new Response("polled");
      }
      exchange?.onSent?.(() => {});
      return new Response("behind it");
    };
    const limits = { stalled: { patienceMs: 200, leastBytesPerSecond: mebibyte } };
    const listener = await serveNode({ host, port: 0, fetch }, limits);
    const socket = net.connect(listener.port, host);
    try {
      let text = "";
      const both = new Promise<void>((resolve) => {
        socket.on("data", (chunk) => {
          text += chunk;
          if (text.includes("behind it")) resolve();
        });
        socket.on("close", () => resolve());
      });
      socket.write("GET /poll HTTP/1.1\r\nhost: x\r\n\r\nGET /next HTTP/1.1\r\nhost: x\r\n\r\n");
      await within(10_000, both, "the second answer");
      assert.match(text, /polled[^]*behind it/);
    } finally {
      socket.destroy();
      await within(5000, listener.close(100), "close");
    }
  });

  test("a client that takes nothing of an answer that holds memory is cut; one that is idle or slow is not", async () => {
    const { serveNode } = await import("./node/listener.ts");
    const told: string[] = [];
    const fetch: ServeOptions["fetch"] = async ({ url }, exchange) => {
      const { pathname } = new URL(url);
      exchange?.onSent?.(() => told.push(pathname));
      if (pathname !== "/idle") return new Response(Buffer.alloc((pathname === "/slow" ? 4 : 16) * mebibyte));
      let isFirst = true;
      return new Response(
        new ReadableStream<Uint8Array>({
          async pull(controller) {
            if (!isFirst) await sleep(1500);
            controller.enqueue(Buffer.from(isFirst ? "a" : "b"));
            if (!isFirst) controller.close();
            isFirst = false;
          },
        }),
      );
    };
    const listener = await serveNode(
      { host, port: 0, fetch },
      { stalled: { patienceMs: 400, leastBytesPerSecond: 4 * mebibyte } },
    );
    const { port } = listener;
    try {
      const stalled = net.connect(port, host, () => stalled.write("GET /stalled1 HTTP/1.1\r\nhost: x\r\n\r\n"));
      stalled.on("error", () => {});
      stalled.once("data", () => stalled.pause());
      await withSession(`http://${host}:${port}`, async (session) => {
        const unread = session.request({ ":path": "/stalled2" });
        unread.on("error", () => {});
        const cut = new Promise((resolve) => unread.once("close", resolve));
        const slow = session.request({ ":path": "/slow" });
        let sizeBytes = 0;
        slow.on("data", (chunk: Buffer) => {
          if (sizeBytes === 0) {
            // Longer than the patience alone, shorter than with what its answer's size adds.
            slow.pause();
            setTimeout(() => slow.resume(), 700);
          }
          sizeBytes += chunk.length;
        });
        const read = new Promise((resolve) => slow.once("end", resolve));
        assert.equal(String((await viaHttp1(port, "/idle")).body), "ab");
        await within(15_000, cut, "the unread stream's end");
        await within(20_000, read, "the slow stream");
        assert.equal(sizeBytes, 4 * mebibyte);
      });
      for (let waited = 0; told.length < 4 && waited < 10_000; waited += 50) await sleep(50);
      stalled.destroy();
      assert.deepEqual([...told].sort(), ["/idle", "/slow", "/stalled1", "/stalled2"]);
    } finally {
      await within(5000, listener.close(100), "close");
    }
  });
}
