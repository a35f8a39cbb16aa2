import assert from "node:assert/strict";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { test } from "node:test";
import { StorageError } from "../../engine/index.ts";
import type { Process, Runtime } from "../runtime/runtime.ts";
import { run } from "./program.ts";
import { hostInUrl, isLoopback } from "./serve.ts";

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly error: string;
}

/** A runtime that can do nothing but read arguments and print. */
function ran(...args: string[]): Promise<Ran> {
  return ranWith({}, ...args);
}

/** `folder`: what is wrong with the data folder. */
async function ranWith(
  { folder: wrong, ...given }: Partial<Process> & { readonly folder?: string },
  ...args: string[]
): Promise<Ran> {
  let out = "";
  let error = "";
  const process: Partial<Process> = {
    args,
    env: {},
    stdoutIsTerminal: false,
    stderrIsTerminal: false,
    stdinIsTerminal: false,
    writeOut: async (bytes) => void (out += new TextDecoder().decode(bytes)),
    writeError: (text) => void (error += text),
    onSignal: () => {},
    readTextFile: (path) => {
      throw new Error(`ENOENT: ${String(path)}`);
    },
    ...given,
  };
  const runtime = {
    name: "node",
    version: "0",
    process,
    serve: () => assert.fail("listened"),
    openStorage: (folder: string) => {
      throw new StorageError("io", wrong ?? `opened ${folder}`);
    },
  };
  const status = await run(runtime as unknown as Runtime, "1.2.3");
  return { status, out, error };
}

const urlOf = (server: net.Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

test("--version and --help are answers", async () => {
  assert.deepEqual(await ran("--version"), { status: 0, out: "1.2.3\n", error: "" });
  const help = await ran("--help");
  assert.equal(help.status, 0);
  for (const word of ["topics", "produce", "consume", "--http-port", "MOLDAU_HTTP_PORT", "Examples:"])
    assert.ok(help.out.includes(word), word);
});

test("every command has examples in its help", async () => {
  for (const command of [
    ["serve"],
    ["topics"],
    ["topics", "create"],
    ["topics", "list"],
    ["topics", "describe"],
    ["topics", "alter"],
    ["topics", "delete"],
    ["produce"],
    ["consume"],
    ["groups"],
    ["groups", "list"],
    ["groups", "describe"],
    ["groups", "reset-offsets"],
    ["groups", "delete"],
    ["log", "dump"],
    ["log", "verify"],
    ["log", "index"],
    ["check"],
  ]) {
    const { status, out } = await ran(...command, "--help");
    assert.equal(status, 0, command.join(" "));
    assert.match(out, /Examples:\n\s+\S/, command.join(" "));
    assert.doesNotMatch(out, /undefined|\[object|default: \{|default: \[/, command.join(" "));
  }
});

test("a wrong command line is exit 2 and says what is wrong", async () => {
  for (const [args, wanted] of [
    [["--http-port", "65536"], /--http-port.*0 to 65535/],
    [["--durability", "maybe"], /sync, os/],
    [["--log-format", "xml"], /text, json/],
    [["--no-such-flag"], /--no-such-flag/],
    [["topcis"], /no command 'topcis'/],
    [["topics", "make", "x"], /make/],
    [["topics"], /Usage/],
    [["topics", "create"], /topic/],
    [["topics", "create", "x", "-p", "0"], /at least 1/],
    [["topics", "create", "x", "-c", "retention"], /name=value/],
    [["produce"], /topic/],
    [["produce", "x", "--chunk", "big"], /Give a size/],
    [["produce", "x", "-H", "=x"], /name=value/],
    [["consume", "x", "--from", "yesterday"], /earliest, latest/],
    [["consume", "x", "--format", "%z"], /%z/],
    [["consume", "x", "--url", "nowhere"], /Give a URL/],
    [["consume", "x", "-p", "-1"], /at least 0/],
    [["consume", "x", "-g", "g", "-p", "1"], /--group takes no --partition/],
    [["consume", "x", "-g", "g", "--from", "-10"], /reset-offsets/],
    [["groups", "list", "--format", "xml"], /text, json/],
    [["groups", "reset-offsets", "g"], /--to/],
    [["groups", "reset-offsets", "g", "--to", "tomorrow"], /earliest, latest/],
    [["groups", "reset-offsets", "g", "--to", "latest", "-t", "a:b"], /events:0/],
  ] as const) {
    const { status, error } = await ran(...args);
    assert.equal(status, 2, args.join(" "));
    assert.match(error, wanted, args.join(" "));
  }
});

test("what only a look can tell is exit 1, one line, no stack", async () => {
  for (const [args, wanted] of [
    [["--memory", "--tls-cert", "a.pem"], /TLS needs both/],
    [["--memory", "--tls-cert", "a.pem", "--tls-key", "b.pem"], /--tls-cert: ENOENT: a\.pem/],
    [["produce", "x", "-k", "a", "-K", ":"], /--key or --key-delimiter/],
    [["produce", "x", "--chunk", "1k", "-K", ":"], /--key-delimiter is for lines/],
    [["topics", "list", "--url", "http://127.0.0.1:2"], /is the server running/],
  ] as const) {
    const { status, error } = await ran(...args);
    assert.equal(status, 1, args.join(" "));
    assert.match(error, wanted, args.join(" "));
    assert.equal(error.trimEnd().split("\n").length, 1, error);
  }
});

test("what answers otherwise than Moldau is not taken for a server that is missing", async () => {
  const garbage = net.createServer((socket) => socket.resume().end(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0)));
  const silent = net.createServer((socket) => socket.once("data", () => socket.destroy()));
  const page = http.createServer((_, response) => response.end("<html>"));
  for (const server of [garbage, silent, page]) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { status, error } = await ran("topics", "list", "--url", urlOf(server));
      assert.equal(status, 1);
      assert.match(error, /does not answer as Moldau does: is it the HTTP port/);
      assert.doesNotMatch(error, /is the server running/);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  }
});

test("the broker's own topics are marked in the list, and one that is missing says how it is made", async () => {
  const server = http.createServer((request, response) => {
    const isList = request.url === "/v1/topics";
    response.writeHead(isList ? 200 : 404, { "content-type": "application/json" });
    const topics = [
      { name: "__consumer_offsets", id: "a", partitions: 8, internal: true },
      { name: "events", id: "b", partitions: 1 },
    ];
    response.end(JSON.stringify(isList ? { topics } : { code: "UNKNOWN_TOPIC_OR_PARTITION", detail: "gone" }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const url = urlOf(server);
    assert.deepEqual((await ran("topics", "list", "--url", url)).out.split("\n").slice(1, 3), [
      "__consumer_offsets  8           a   (internal)",
      "events              1           b",
    ]);
    const { status, error } = await ran("topics", "describe", "evnets", "--url", url);
    assert.equal(status, 1);
    assert.match(error, /topic 'evnets' does not exist: create it with `moldau topics create evnets`/);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test("a data folder that cannot be used is told by its name, and another to choose by its flag alone", async () => {
  const started = async (folder: string): Promise<string> => (await ranWith({ folder }, "--data-dir", "./here")).error;
  assert.equal(
    await started("/a/here is in use by process 7: stop it, or choose another folder"),
    "moldau: /a/here is in use by process 7: stop it, or choose another folder with --data-dir\n",
  );
  assert.equal(await started("the disk failed"), "moldau: the disk failed (--data-dir ./here)\n");
});

test("MOLDAU_MEMORY is a yes or a no, and what is neither starts nothing", async () => {
  for (const no of ["false", "0"]) {
    const { status, error } = await ranWith({ env: { MOLDAU_MEMORY: no } }, "--data-dir", "kept");
    assert.equal(status, 1);
    assert.match(error, /opened kept/, `${no} keeps the folder`);
  }
  // Without a look at the folder it comes as far as listening, which this runtime does not.
  for (const yes of ["true", "1"]) {
    const { error } = await ranWith({ env: { MOLDAU_MEMORY: yes } }, "--data-dir", "kept");
    assert.match(error, /listened/, yes);
  }
  assert.match(
    (await ranWith({ env: { MOLDAU_MEMORY: "false" } }, "--memory")).error,
    /listened/,
    "the flag comes first",
  );
  for (const neither of ["", "no", "2"]) {
    const { status, error } = await ranWith({ env: { MOLDAU_MEMORY: neither } });
    assert.equal(status, 2);
    assert.match(error, /MOLDAU_MEMORY is '.*'\. It is true or 1, false or 0/);
  }
});

test("produce ends at a failure, though its input stays open and silent", async () => {
  const answers: Record<string, [number, unknown]> = {
    "GET /v1/topics/gone": [200, { name: "gone", partitions: [{ partition: 0 }], configs: {} }],
    "POST /v1/producers": [200, { producerId: 1, producerEpoch: 0 }],
  };
  const server = http.createServer((request, response) => {
    request.resume().once("end", () => {
      const missing = { code: "UNKNOWN_TOPIC_OR_PARTITION", detail: "the topic is gone", retriable: false };
      const [status, body] = answers[`${request.method} ${request.url?.split("?")[0]}`] ?? [404, missing];
      response.writeHead(status, { "content-type": status === 200 ? "application/json" : "application/problem+json" });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  async function* stdin(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode("one line\n");
    await new Promise(() => {});
  }
  try {
    const { status, error } = await ranWith({ stdin }, "produce", "gone", "--url", url);
    assert.equal(status, 1);
    assert.match(error, /the topic is gone/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("which hosts are this machine's own, and how they stand in a URL", () => {
  for (const host of ["127.0.0.1", "127.1.2.3", "localhost", "::1"]) assert.ok(isLoopback(host), host);
  for (const host of ["0.0.0.0", "::", "192.168.1.1", "example.org", "1270.0.0.1"]) assert.ok(!isLoopback(host), host);
  assert.equal(hostInUrl("::1"), "[::1]");
  assert.equal(hostInUrl("0.0.0.0"), "localhost");
  assert.equal(hostInUrl("10.0.0.1"), "10.0.0.1");
});
