import assert from "node:assert/strict";
import test from "node:test";
import { Findings, maxHeldFindings } from "./finding.ts";

test("findings beyond those that may be held are counted by kind and file, none is lost", () => {
  const findings = new Findings();
  const added = 3 * maxHeldFindings;
  for (let at = 0; at < added; at += 1) findings.add("error", at % 2 === 0 ? "order" : "gap", `${at % 4}.log`, `${at}`);
  const taken = findings.take();
  assert.equal(taken.length, maxHeldFindings + 4);
  assert.equal(
    taken.reduce((sum, { count = 1 }) => sum + count, 0),
    added,
  );
  assert.deepEqual(taken.at(-1), {
    severity: "error",
    kind: "gap",
    file: "3.log",
    count: maxHeldFindings / 2,
    message: `${maxHeldFindings + 3}; and ${maxHeldFindings / 2 - 1} more of this kind in this file behind it`,
  });
  assert.deepEqual(findings.take(), []);
});
