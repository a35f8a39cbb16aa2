// The rows of README's support matrix that one script's tests are.
//
// Owns: which feature passed on which runtime, and the file that says so, written when the script ends.
// Never: makes the table (matrix.mjs).
import { writeFileSync } from "node:fs";
import { test } from "node:test";

/** `file`: undefined writes none. `section` names the rows together, in the table. */
export function matrixRows({ file, runtimes, section }) {
  /** feature → runtime → whether it passed; in the order in which they are first told. */
  const matrix = new Map();
  const versions = {};
  process.on("exit", () => {
    if (file === undefined) return;
    const rows = [...matrix].map(([feature, row]) => ({ feature, works: Object.fromEntries(row) }));
    writeFileSync(file, `${JSON.stringify({ section, runtimes, versions, rows }, null, 2)}\n`);
  });
  return {
    versions,
    /** A test that is a row; `options` are node:test's. One that is skipped has not passed. */
    feature(name, runtime, ...rest) {
      const [options, run] = rest.length === 1 ? [{}, ...rest] : rest;
      const row = matrix.get(name) ?? new Map();
      matrix.set(name, row);
      row.set(runtime, false);
      test(`${runtime}: ${name}`, options, async (context) => {
        await run(context);
        row.set(runtime, true);
      });
    },
  };
}
