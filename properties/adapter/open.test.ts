// A target whose scheme is not what is spoken there is told what to give instead, by real listeners.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { repositoryRoot } from "../house/repository.ts";
import { CouldNotRunError, checkLive } from "../live.ts";
import { openHttpAdapter } from "./http.ts";
import { MoldauProcess } from "./moldau-process.test-support.ts";
import { openKafkaAdapter } from "./open-kafka.ts";

let moldau: MoldauProcess;
const servers: Server[] = [];
before(async () => {
  moldau = await MoldauProcess.start();
});
after(async () => {
  for (const server of servers) server.close();
  await moldau.end();
});

async function listening(server: Server): Promise<string> {
  servers.push(server);
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What a check of it says; it is to be one that could not be run. */
async function said(target: string): Promise<string> {
  const tool = { moldau: "0", runtime: "0" };
  const error = await checkLive({ target, tool, command: "", seed: 1, seconds: 1, startMs: 1000, healMs: 1000 }).then(
    () => assert.fail(`${target} was checked`),
    (one: unknown) => one,
  );
  assert.ok(error instanceof CouldNotRunError, `${error}`);
  return error.message;
}

test("kafka:// where HTTP is spoken", async () => {
  const { url } = moldau;
  assert.match(
    await said(url.replace("http:", "kafka:")),
    new RegExp(`: HTTP without TLS is spoken there: give ${url}$`),
  );
});

test("http:// and https:// where Kafka's protocol is spoken", async () => {
  for (const scheme of ["http", "https"]) {
    const message = await said(`${scheme}://${moldau.bootstrap}`);
    assert.match(message, new RegExp(`: Kafka's protocol is spoken there: give kafka://${moldau.bootstrap}$`));
  }
});

test("openHttpAdapter where something else is spoken, or nothing, or without an address", async () => {
  const told = async (url: unknown): Promise<Error> => {
    const error = await openHttpAdapter({ url: url as string }).then(
      () => assert.fail(`${url} was opened`),
      (one: Error) => one,
    );
    assert.equal(error.cause, undefined, "the stacks of fetch");
    return error;
  };
  const { bootstrap, url } = moldau;
  const kafka = (await told(`http://${bootstrap}`)).message;
  assert.ok(kafka.startsWith(`no answer from http://${bootstrap} (`), kafka);
  assert.ok(kafka.endsWith(`: give openKafkaAdapter({ brokers: ["${bootstrap}"] })`), kafka);
  const plain = (await told(url.replace("http:", "https:"))).message;
  assert.ok(plain.endsWith(`: give openHttpAdapter({ url: "${url}" })`), plain);
  const nobody = await listening(createTcpServer());
  await new Promise((resolve) => servers.pop()?.close(resolve));
  assert.match(
    (await told(`http://${nobody}`)).message,
    new RegExp(`^no answer from http://${nobody} .*is it running`),
  );
  const other = await listening(createHttpServer((_, answer) => answer.end("ok")));
  assert.match((await told(`http://${other}`)).message, new RegExp(`^http://${other} answers, but not as Moldau does`));
  for (const wrong of [undefined, "127.0.0.1:8080", `kafka://${bootstrap}`]) {
    const error = await told(wrong);
    assert.ok(error instanceof TypeError, `${error}`);
    assert.match(error.message, /^openHttpAdapter\(\{ url \}\): url is .* has to be as "http:/);
  }
});

test("openKafkaAdapter where HTTP is spoken", async () => {
  const { url } = moldau;
  const place = url.replace("http://", "");
  const error = await openKafkaAdapter({ brokers: [place], requestTimeoutMs: 2000 }).then(
    () => assert.fail("it was opened"),
    (one: Error) => one,
  );
  assert.ok(error.message.startsWith(`no answer from ${place} (`), error.message);
  assert.ok(error.message.endsWith(`: give openHttpAdapter({ url: "${url}" })`), error.message);
});

test("https:// where HTTP is spoken without TLS", async () => {
  const message = await said(moldau.url.replace("http:", "https:"));
  assert.match(message, new RegExp(`: HTTP without TLS is spoken there: give ${moldau.url}$`));
});

test("http:// and kafka:// where HTTP is spoken over TLS, and a certificate that nobody trusts", async () => {
  const tls = (name: string): Buffer => readFileSync(join(repositoryRoot(), ".ci/tls", `test-only.${name}`));
  const place = await listening(
    createTlsServer({ cert: tls("crt"), key: tls("key") }, (_, answer) => answer.end("ok")),
  );
  for (const scheme of ["http", "kafka"]) {
    const message = await said(`${scheme}://${place}`);
    assert.match(message, new RegExp(`: HTTP over TLS is spoken there: give https://${place} .*NODE_EXTRA_CA_CERTS`));
  }
  assert.match(await said(`https://${place}`), /: its certificate is not trusted: .*NODE_EXTRA_CA_CERTS=/);
});

test("HTTP, but not Moldau's", async () => {
  const answers: readonly (readonly [status: number, body: string])[] = [
    [404, "<html>not found</html>"],
    [404, '{"error":"not found"}'],
    [502, ""],
    [200, "ok"],
    [200, ""],
    [200, '{"status":"UP"}'],
  ];
  for (const [status, body] of answers) {
    const place = await listening(
      createHttpServer((_, answer) => {
        answer.writeHead(status, { "content-type": "application/json", connection: "close" });
        answer.end(body);
      }),
    );
    assert.match(
      await said(`http://${place}`),
      /answers, but not as it should \(.*\/readyz .*\): is it the log\?$/,
      body,
    );
  }
});

test("a listener that says nothing, and none at all, are asked about in general", async () => {
  const mute = await listening(createTcpServer((socket) => void socket.on("data", () => socket.destroy())));
  const nobody = await listening(createTcpServer());
  await new Promise((resolve) => servers.pop()?.close(resolve));
  for (const place of [mute, nobody])
    for (const scheme of ["http", "https", "kafka"])
      assert.match(
        await said(`${scheme}://${place}`),
        /^no answer from .*: is it running, .* --restart-command starts one$/,
      );
});
