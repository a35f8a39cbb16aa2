import assert from "node:assert/strict";
import test from "node:test";
import { collecting, createCollector } from "./collect.ts";

test("requests and answers count; after so many bytes the garbage is collected, once", async () => {
  let collections = 0;
  const collector = createCollector(() => {
    collections += 1;
  }, 1000);
  const answer = (sizeBytes: number): Response =>
    new Response(null, { headers: { "content-length": String(sizeBytes) } });
  let sizeBytes = 0;
  const fetch = collecting(() => answer(sizeBytes), collector);
  const ask = (declared?: number): Promise<Response> =>
    fetch(
      new Request("http://localhost/", {
        method: "POST",
        headers: declared === undefined ? {} : { "content-length": String(declared) },
      }),
    );
  await ask();
  await ask(999);
  assert.equal(collections, 0);
  sizeBytes = 1;
  await ask();
  assert.equal(collections, 1);
  await ask(500);
  assert.equal(collections, 1);
  await ask(Number.NaN);
  await ask(600);
  assert.equal(collections, 2);
});
