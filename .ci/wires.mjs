// One way to ask, over HTTP/1.1 and over HTTP/2, in the clear and under TLS.
//
// Owns: the connections. A wire of HTTP/2 has one connection for all it asks, so that a server
//   that drops it on bad input is found out.
// Never: judges an answer.
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { testCertificate } from "./moldau.mjs";

const timeoutMs = 30_000;

export function http1(url) {
  const library = url.startsWith("https:") ? https : http;
  const agent = new library.Agent({ keepAlive: true, maxSockets: 64, ca: testCertificate });
  return wire({
    open(method, path, headers) {
      const request = library.request(url + path, { method, headers, agent });
      const answered = new Promise((resolve, reject) => {
        request.once("response", (response) =>
          resolve({ status: response.statusCode, headers: response.headers, stream: response }),
        );
        request.once("error", reject);
      });
      return { request, answered, cancel: () => request.destroy() };
    },
    close: () => agent.destroy(),
  });
}

export function http2Wire(url) {
  // Node's client counts what it has yet to send as well, and refuses the answer when that is over.
  const session = http2.connect(url, { ca: testCertificate, maxSessionMemory: 200 });
  session.on("error", () => {});
  const made = wire({
    open(method, path, headers) {
      const request = session.request({ ...headers, ":method": method, ":path": path }, { endStream: false });
      const answered = new Promise((resolve, reject) => {
        request.once("response", (given) => resolve({ status: given[":status"], headers: given, stream: request }));
        request.once("error", reject);
        request.once("close", () => reject(new Error(`stream closed with ${request.rstCode} before an answer`)));
      });
      return { request, answered, cancel: () => request.close(http2.constants.NGHTTP2_CANCEL) };
    },
    close: () => session.destroy(),
  });
  return Object.assign(made, { session });
}

function wire({ open, close }) {
  /** `body`: bytes, a string, or an object to send as JSON. */
  async function ask(method, path, { body, headers = {} } = {}) {
    const { status, headers: given, stream } = await begin(method, path, { body, headers });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    return { status, headers: given, bytes, text: bytes.toString(), json: () => JSON.parse(bytes.toString()) };
  }

  /** Resolves with the headers; the body is `stream`. */
  async function begin(method, path, { body, headers = {} } = {}) {
    const isData = body === undefined || typeof body === "string" || body instanceof Uint8Array;
    const all = { ...(isData ? {} : { "content-type": "application/json" }), ...headers };
    const bytes = isData ? body : JSON.stringify(body);
    if (bytes !== undefined) all["content-length"] ??= String(Buffer.byteLength(bytes));
    const { request, answered, cancel } = open(method, path, all);
    request.on("error", () => {});
    request.end(bytes);
    const timer = setTimeout(cancel, timeoutMs);
    const answer = await answered.finally(() => clearTimeout(timer));
    return { ...answer, cancel };
  }

  /** For bodies that are written bit by bit. */
  function converse(method, path, headers) {
    const { request, answered, cancel } = open(method, path, headers);
    request.on("error", () => {});
    return { request, answered, cancel };
  }

  return { ask, begin, converse, close };
}
