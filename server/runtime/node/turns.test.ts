import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "./turns.ts";

test("all that comes in one turn shares it, and it ends once what had arrived was handled", async () => {
  const turns = new Turns();
  const first = turns.current();
  const said: string[] = [];
  first.end.then(() => said.push("over"));
  await Promise.resolve();
  process.nextTick(() => said.push("later in the turn"));
  await new Promise((resolve) => process.nextTick(resolve));
  assert.equal(turns.current(), first);
  assert.equal(first.isOver, false);
  await first.end;
  assert.equal(first.isOver, true);
  assert.deepEqual(said, ["later in the turn", "over"]);
  const second = turns.current();
  assert.notEqual(second, first);
  assert.equal(second.isOver, false);
  await second.end;
});
