// HTTP/1.1 and HTTP/2 on one port under Node.
//
// In the clear the first bytes decide: a connection that opens with the HTTP/2 preface
// (RFC 9113, 3.4) goes to an http2 server, any other to an http server. Under TLS, ALPN decides.
//
// Owns: the sockets, their limits and their end.
// Never: looks into a request; @hono/node-server translates it.

import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { getRequestListener, type Http2Bindings, type HttpBindings, RequestError } from "@hono/node-server";
import { limits as engineLimits } from "../../../engine/index.ts";
import { ListenError, type Listener, type ServeOptions } from "../runtime.ts";
import { createCollector } from "../web/collect.ts";
import { exposeCollection } from "./collection.ts";
import { NodeExchange } from "./exchange.ts";
import { listenError } from "./listen-error.ts";
import { type Patience, StalledAnswers, usualPatience } from "./stalled-answers.ts";
import { Turns } from "./turns.ts";
import { firstSettings, WindowGrants } from "./window-grants.ts";

const preface = Buffer.from("PRI * HTTP/2.0");
/** A connection that has not said what it speaks by then is cut. Milliseconds. */
const firstBytesTimeoutMs = 10_000;
/** An HTTP/1.1 request's headers have to be whole by then. Milliseconds. */
const headersTimeoutMs = 30_000;
/** Longer than what clients and proxies keep a connection for, so that they close first. Milliseconds. */
const keepAliveTimeoutMs = 65_000;
/** More are closed as they come: each costs a descriptor and its buffers. */
const maxConnections = 10_000;
/** An HTTP/2 connection without a stream is closed after so long. Milliseconds. */
const idleSessionTimeoutMs = 120_000;
/** A peer that has not acknowledged its window by then is cut. Milliseconds. */
const acknowledgeMs = 10_000;
/**
 * Past it a connection's new streams are refused. Node counts answers queued, headers and streams
 * here, not bodies received. Megabytes.
 */
const sessionMemoryMegabytes = 64;
/**
 * V8 begins to mark its whole heap for so few bytes outside of it that bodies reach them before the
 * young objects that hold them are looked at: a third of a producer's time. Bytes.
 */
export const collectEveryBytes: number = 8 * 1024 * 1024;

const http2Options = {
  settings: firstSettings,
  maxSessionMemory: sessionMemoryMegabytes,
} as const;

export interface NodeLimits {
  readonly maxConnections: number;
  readonly idleSessionTimeoutMs: number;
  readonly acknowledgeMs: number;
  readonly stalled: Patience;
}

const usualLimits: NodeLimits = { maxConnections, idleSessionTimeoutMs, acknowledgeMs, stalled: usualPatience };

export async function serveNode(options: ServeOptions, given: Partial<NodeLimits> = {}): Promise<Listener> {
  const limits = { ...usualLimits, ...given };
  const onError = options.onError ?? (() => {});
  const turns = new Turns();
  const collect = exposeCollection();
  const { noteBytes } = createCollector(() => collect({ type: "minor" }), collectEveryBytes);
  const stalled = new StalledAnswers(limits.stalled);
  const fetch: FetchCallback = async (request, env) => {
    const { incoming, outgoing } = env as HttpBindings | Http2Bindings;
    const came = turns.current();
    const response = await options.fetch(request, new NodeExchange(incoming, outgoing, stalled, noteBytes));
    if (!came.isOver) await came.end;
    return response;
  };
  const answer = getRequestListener(fetch, {
    errorHandler(error) {
      onError(error);
      return new Response(null, { status: error instanceof RequestError ? 400 : 500 });
    },
  });
  const windows = new WindowGrants(engineLimits.inFlightBytes, limits.acknowledgeMs);
  const sockets = new Set<net.Socket>();
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = options.tls === undefined ? plainServer(answer) : secureServer(options.tls, answer);

  server.http2.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    windows.add(session);
    closeWhenIdle(session, limits.idleSessionTimeoutMs);
    if (closing) session.close();
  });
  server.http2.on("sessionError", onError);
  server.listener.maxConnections = limits.maxConnections;
  server.listener.on("connection", (socket: net.Socket) => {
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });

  let closing: Promise<void> | undefined;
  await new Promise<void>((resolve, reject) => {
    server.listener.once("error", (error) => reject(listenError(error)));
    server.listener.listen({ host: options.host, port: options.port, backlog: 1024 }, () => resolve());
  });
  server.listener.on("error", onError);
  const { port } = server.listener.address() as net.AddressInfo;

  async function close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => server.listener.close(() => resolve()));
    for (const session of sessions) session.close();
    server.closeIdle();
    // A kept-alive connection becomes idle when its answer ends, and nothing tells us.
    const idle = setInterval(() => server.closeIdle(), 50);
    const cut = setTimeout(() => {
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    }, graceMs);
    await closed;
    clearInterval(idle);
    clearTimeout(cut);
  }

  return { port, close: (graceMs) => (closing ??= close(graceMs)) };
}

/** Counts streams, not frames: a client's pings alone do not keep a connection. */
function closeWhenIdle(session: http2.ServerHttp2Session, timeoutMs: number): void {
  const wait = (): NodeJS.Timeout => setTimeout(() => session.close(), timeoutMs);
  let streams = 0;
  let timer = wait();
  session.on("stream", (stream) => {
    streams++;
    clearTimeout(timer);
    stream.once("close", () => {
      if (--streams > 0 || session.closed) return;
      timer = wait();
    });
  });
  session.once("close", () => clearTimeout(timer));
}

interface Servers {
  /** What accepts connections. */
  readonly listener: net.Server;
  readonly http2: http2.Http2Server | http2.Http2SecureServer;
  closeIdle(): void;
}

type FetchCallback = Parameters<typeof getRequestListener>[0];
type Answer = ReturnType<typeof getRequestListener>;

function plainServer(answer: Answer): Servers {
  const http1 = http.createServer({ ...http1Options(), noDelay: true }, answer);
  const http2Server = http2.createServer(http2Options, answer);
  const undecided = new Set<net.Socket>();
  const listener = net.createServer((socket) => {
    undecided.add(socket);
    // Emitted on both servers "connection" by hand: neither of them listens.
    route(socket, (isHttp2) => {
      undecided.delete(socket);
      (isHttp2 ? http2Server : http1).emit("connection", socket);
    });
    socket.once("close", () => undecided.delete(socket));
  });
  // What starts http's own checks (headers' timeout, idle connections), since it never listens.
  listener.once("listening", () => http1.emit("listening"));
  listener.once("close", () => http1.close());
  return {
    listener,
    http2: http2Server,
    closeIdle() {
      http1.closeIdleConnections();
      for (const socket of undecided) socket.destroy();
    },
  };
}

function secureServer(tls: NonNullable<ServeOptions["tls"]>, answer: Answer): Servers {
  let server: http2.Http2SecureServer;
  try {
    server = http2.createSecureServer(
      {
        ...http2Options,
        ...http1Options(),
        key: tls.key,
        cert: tls.cert,
        allowHTTP1: true,
        handshakeTimeout: firstBytesTimeoutMs,
      },
      answer,
    );
  } catch (error) {
    throw new ListenError("tls", (error as Error).message, error);
  }
  // A failed handshake is the client's matter.
  server.on("tlsClientError", () => {});
  const http1 = server as unknown as http.Server;
  return { listener: server, http2: server, closeIdle: () => http1.closeIdleConnections?.() };
}

function http1Options(): http.ServerOptions {
  // No limit on a whole request: bodies may stream for as long as they like.
  return { headersTimeout: headersTimeoutMs, requestTimeout: 0, keepAliveTimeout: keepAliveTimeoutMs };
}

/** Reads until the first bytes decide, puts them back, and hands the socket on. */
function route(socket: net.Socket, decide: (isHttp2: boolean) => void): void {
  const timer = setTimeout(() => socket.destroy(), firstBytesTimeoutMs);
  const stop = (): void => {
    clearTimeout(timer);
    socket.off("readable", look);
    socket.off("error", stop);
    socket.off("close", stop);
    socket.off("end", stop);
  };
  let seen: Buffer = Buffer.alloc(0);
  function look(): void {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const compared = Math.min(seen.length, preface.length);
    const matches = seen.subarray(0, compared).equals(preface.subarray(0, compared));
    if (matches && compared < preface.length) return;
    stop();
    socket.unshift(seen);
    decide(matches);
  }
  socket.on("readable", look);
  socket.on("error", stop);
  socket.on("close", stop);
  socket.on("end", () => {
    stop();
    socket.destroy();
  });
}
