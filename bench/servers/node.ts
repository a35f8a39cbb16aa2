// The bare servers under Node: `node.ts <kind> [file]`; the port goes to standard output.
//
// Owns: the fastest ways known on Node to do each thing without doing anything with it.
// Never: ends by itself before its standard input does.

import { open } from "node:fs/promises";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import http2, { type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { drainApp, parseApp, wholeApp } from "./apps.ts";

type Handler = (request: IncomingMessage & Http2ServerRequest, answer: ServerResponse & Http2ServerResponse) => void;

const [kind = "", path = ""] = process.argv.slice(2);
/** As wide as pays: a client's bytes never wait for a window. Bytes. */
const streamWindowBytes = 8 << 20;
const sessionWindowBytes = 64 << 20;
const frameBytes = 1 << 20;
/** Longer than the others' turns take. Milliseconds. */
const keepAliveTimeout = 600_000;

const handler = await handlerOf(kind.replace(/-h2$/, ""));
const server = kind.endsWith("-h2")
  ? http2Server(handler)
  : http.createServer({ noDelay: true, keepAliveTimeout }, handler as never);
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();

function http2Server(handle: Handler): http2.Http2Server {
  const created = http2.createServer(
    {
      settings: { initialWindowSize: streamWindowBytes, maxFrameSize: frameBytes, maxConcurrentStreams: 1000 },
      maxSessionMemory: 1000,
    },
    handle as never,
  );
  created.on("session", (session) => session.setLocalWindowSize(sessionWindowBytes));
  return created;
}

async function handlerOf(name: string): Promise<Handler> {
  switch (name) {
    case "bare-drain":
      return drain;
    case "hono-drain":
      return getRequestListener(drainApp().fetch) as unknown as Handler;
    case "hono-whole":
      return getRequestListener(wholeApp().fetch) as unknown as Handler;
    case "hono-parse":
      return getRequestListener(parseApp().fetch) as unknown as Handler;
    case "bare-file":
      return fileHandler(path);
    default:
      throw new Error(`there is no server '${name}'`);
  }
}

function drain(request: Parameters<Handler>[0], answer: Parameters<Handler>[1]): void {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on("end", () => {
    const body = JSON.stringify({ bytes });
    answer.writeHead(200, { "content-type": "application/json", "content-length": String(body.length) });
    answer.end(body);
  });
}

/** GET /?position=N&bytes=N: read in one piece into a buffer of a pool, which the socket gives back. */
async function fileHandler(file: string): Promise<Handler> {
  const handle = await open(file, "r");
  const pool: Buffer[] = [];
  return (request, answer) => {
    const query = new URLSearchParams((request.url ?? "").slice(2));
    const [position, bytes] = [Number(query.get("position")), Number(query.get("bytes"))];
    const pooled = pool.pop();
    const buffer = pooled !== undefined && pooled.length >= bytes ? pooled : Buffer.allocUnsafeSlow(bytes);
    handle.read(buffer, 0, bytes, position).then(
      ({ bytesRead }) => {
        answer.writeHead(200, { "content-type": "application/octet-stream", "content-length": String(bytesRead) });
        answer.end(buffer.subarray(0, bytesRead), () => pool.push(buffer));
      },
      () => answer.destroy(),
    );
  };
}
