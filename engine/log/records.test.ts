import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { RecordToEncode } from "../kernel/kernel.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { loadWasmKernel } from "../kernel/wasm.ts";
import { decodeRecords } from "./records.ts";

const encoder = new TextEncoder();
const kernels = [createTwinKernel(), await loadWasmKernel()];
const content = fc.option(fc.uint8Array({ maxLength: 20 }), { nil: null, freq: 4 });
const records: fc.Arbitrary<RecordToEncode[]> = fc.array(
  fc.record({
    key: content,
    value: content,
    headers: fc.array(
      fc.tuple(
        fc.constantFrom("", "h", "é", "\ufeffmarked").map((name) => encoder.encode(name)),
        content,
      ),
      {
        maxLength: 2,
      },
    ),
    timestamp: fc.nat(10_000),
  }),
  { minLength: 1, maxLength: 6 },
);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

test("records come back as they went in, from the offset on and up to the limit, as copies or as views", () => {
  let passedOver = 0;
  fc.assert(
    fc.property(
      fc.array(records, { minLength: 1, maxLength: 3 }),
      fc.nat(6),
      fc.integer({ min: 1, max: 8 }),
      fc.boolean(),
      fc.constantFrom(...kernels),
      (batches, fromOffset, limit, views, kernel) => {
        let baseOffset = 0;
        const runs = batches.map((batch) => {
          const options = { baseOffset, leaderEpoch: 0, maxBatchBytes: 1 << 20, appendTimeMs: -1 };
          const run = kernel.prepareRun(kernel.encodeBatch(batch), options);
          assert.ok(run.ok);
          baseOffset += batch.length;
          return run.bytes.slice();
        });
        const bytes = Uint8Array.from(runs.flatMap((run) => [...run]));
        const expected = batches.flat().map(({ key, value, headers, timestamp }, offset) => ({
          offset,
          timestamp,
          key,
          value,
          headers: headers.map(([name, held]) => ({ key: decoder.decode(name), value: held })),
        }));
        const decoded = decodeRecords(bytes, { kernel, decompressor: undefined, fromOffset, limit, views });
        // deepEqual tells a view from a copy by nothing but its bytes.
        assert.deepEqual(decoded, expected.slice(fromOffset, fromOffset + limit));
        for (const { key, value, headers } of decoded) {
          for (const piece of [key, value, ...headers.map((header) => header.value)]) {
            if (piece === null) continue;
            assert.equal(piece.buffer === bytes.buffer, views, "of one piece of memory, or its own");
          }
        }
        if (decoded.length < expected.length) passedOver += 1;
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(passedOver > 100, `${passedOver} of 500 left records out`);
});
