// The run that is under way when time is up counts as any other, and ends, or is told of.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkWhole } from "./whole-runs.ts";

/** Time is up while the third run is under way: it waits until that has been noticed. */
async function cutShort(
  lastRun: (value: number) => Promise<void>,
  { path, lastRunMs = 20_000 }: { readonly path?: string; readonly lastRunMs?: number } = {},
): Promise<{ readonly result: fc.RunDetails<[number]>; readonly values: readonly number[] }> {
  const values: number[] = [];
  const run = async (value: number): Promise<void> => {
    values.push(value);
    if (values.length === 3) await lastRun(value);
  };
  const parameters = { seed: 7, numRuns: 5, interruptAfterTimeLimit: 500, markInterruptAsFailure: false };
  const result = await checkWhole(fc.nat(), run, path === undefined ? parameters : { ...parameters, path }, {
    lastRunMs,
  });
  return { result, values };
}

const afterTimeIsUp = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 900));

test("what the run under way finds when time is up is a failure, with its plan and the way to it", async () => {
  for (const path of [undefined, "4"]) {
    const { result, values } = await cutShort(
      async () => {
        await afterTimeIsUp();
        throw new Error("violated");
      },
      path === undefined ? {} : { path },
    );
    assert.equal(result.failed, true);
    assert.deepEqual([values.length, result.numRuns, result.counterexample], [3, 3, [values[2]]]);
    assert.match(String(result.errorInstance), /violated/);
    const again: number[] = [];
    const way = { seed: 7, numRuns: 1, path: result.counterexamplePath ?? "" };
    await checkWhole(fc.nat(), async (value) => void again.push(value), way);
    assert.deepEqual(again, [values[2]], `the way ${way.path}`);
  }
});

test("a run under way that holds is brought to its end, and is no failure", async () => {
  let hasEnded = false;
  const { result } = await cutShort(async () => {
    await afterTimeIsUp();
    hasEnded = true;
  });
  assert.deepEqual([hasEnded, result.failed], [true, false]);
});

test("a run that never ends is told of, with its plan", async () => {
  let plan = -1;
  const never = cutShort(
    (value) => {
      plan = value;
      return new Promise(() => {});
    },
    { lastRunMs: 50 },
  );
  await assert.rejects(never, (error) => {
    const { message } = error as Error;
    assert.match(message, /^run 3 \(seed 7\) was under way when time was up, and has not ended 0\.05 s later$/m);
    assert.ok(message.endsWith(`plan: ${plan}`), message);
    return true;
  });
});
