import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { Turnstile } from "./turnstile.ts";

test("so many pass at once, in the order they came, and a failure gives its slot back", async () => {
  const turnstile = new Turnstile(3);
  const began: number[] = [];
  const ends: ((fail: boolean) => void)[] = [];
  const passing = Array.from({ length: 7 }, (_, index) =>
    turnstile.pass(async () => {
      began.push(index);
      await new Promise<void>((resolve, reject) =>
        ends.push((fail) => (fail ? reject(new Error("failed")) : resolve())),
      );
      return index;
    }),
  );
  await turn();
  deepStrictEqual(began, [0, 1, 2]);
  ends[1]?.(true);
  await rejects(passing[1]!, { message: "failed" });
  await turn();
  deepStrictEqual(began, [0, 1, 2, 3]);
  for (let index = 0; index < 7; index++) {
    ends[index]?.(false);
    await turn();
  }
  deepStrictEqual(began, [0, 1, 2, 3, 4, 5, 6]);
  strictEqual(await passing[6], 6);
  strictEqual(await turnstile.pass(async () => 8), 8);
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
