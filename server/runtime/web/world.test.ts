import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonLogger, textLogger, webClock, webEntropy } from "./world.ts";

test("a delay runs once, no sooner than asked", async () => {
  const began = webClock.monotonic();
  await new Promise<void>((resolve) => webClock.schedule(20, resolve));
  assert.ok(webClock.monotonic() - began >= 20);
});

test("a cancelled delay never runs, cancelled twice or late harms nothing", async () => {
  let runs = 0;
  const cancel = webClock.schedule(1, () => runs++);
  cancel();
  cancel();
  await new Promise<void>((resolve) => webClock.schedule(10, resolve));
  assert.equal(runs, 0);
});

test("a delay beyond 2^31-1 ms does not fire at once", async () => {
  let runs = 0;
  const cancel = webClock.schedule(30 * 86_400_000, () => runs++);
  await new Promise<void>((resolve) => webClock.schedule(20, resolve));
  cancel();
  assert.equal(runs, 0);
});

test("entropy fills more bytes than the web gives at once", () => {
  const bytes = new Uint8Array(200_000);
  webEntropy.fill(bytes);
  assert.ok(bytes.subarray(190_000).some((byte) => byte !== 0));
});

test("a text line cannot be forged from a field or a message", () => {
  let out = "";
  textLogger(
    (line) => (out += line),
    () => 0,
  ).log("warn", "a\nb", { topic: "x\ny", offset: 3, plain: "a-b" });
  assert.equal(out, '1970-01-01T00:00:00.000Z warn  a b topic="x\\ny" offset=3 plain=a-b\n');
});

test("a JSON line is one object", () => {
  let out = "";
  jsonLogger(
    (line) => (out += line),
    () => 0,
  ).log("info", "up", { port: 1 });
  assert.deepEqual(JSON.parse(out), { time: "1970-01-01T00:00:00.000Z", level: "info", message: "up", port: 1 });
});
