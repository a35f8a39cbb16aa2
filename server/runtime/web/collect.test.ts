import assert from "node:assert/strict";
import test from "node:test";
import { collecting, collectOnGrowth, createCollector } from "./collect.ts";

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

test("growth is noticed without any count, measured from what was left the last time", async () => {
  const mebibyte = 1024 * 1024;
  let resident = 100 * mebibyte;
  const collectedAt: number[] = [];
  const end = collectOnGrowth(
    () => resident,
    () => {
      collectedAt.push(resident / mebibyte);
      resident -= 10 * mebibyte;
    },
  );
  const until = async (done: () => boolean): Promise<void> => {
    for (let turn = 0; turn < 100 && !done(); turn += 1) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  resident = 131 * mebibyte;
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.deepEqual(collectedAt, []);
  resident = 140 * mebibyte;
  await until(() => collectedAt.length === 1);
  resident = 165 * mebibyte;
  await until(() => collectedAt.length === 2);
  end();
  resident = 900 * mebibyte;
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.deepEqual(collectedAt, [140, 165]);
});
