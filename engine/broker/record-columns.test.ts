import assert from "node:assert/strict";
import test from "node:test";
import { MoldauError } from "../errors.ts";
import type { BatchColumns, Kernel } from "../kernel/kernel.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { maxRunBytes } from "../limits.ts";
import { RecordColumns } from "./record-columns.ts";
import type { RecordInput } from "./types.ts";

const tooLarge = (error: unknown): boolean => error instanceof MoldauError && error.code === "MESSAGE_TOO_LARGE";
const many = { maxBytes: maxRunBytes, single: false };
const one = { maxBytes: maxRunBytes, single: true };

function kernelOf(bytes: number, lengths: number, records: number): Kernel {
  const columns: BatchColumns = {
    bytes: new Uint8Array(bytes),
    lengths: new Int32Array(lengths),
    timestamps: new Float64Array(records),
  };
  return { ...createTwinKernel(), columns: () => columns };
}

test("pieces of every kind lie as the contract has them", () => {
  const kernel = kernelOf(64, 64, 8);
  const records: RecordInput[] = [
    { key: "ké", value: Uint8Array.of(1, 2, 3), timestamp: 5 },
    {
      value: "",
      headers: [
        ["h", null],
        ["x", Uint8Array.of(9)],
      ],
    },
    { key: null, value: new Uint8Array(30).fill(4) },
  ];
  assert.equal(new RecordColumns(kernel).fill(records, null, 0, 77, many), 3);
  const { bytes, lengths, timestamps } = kernel.columns();
  assert.deepEqual([...lengths.slice(0, 13)], [3, 3, 0, -1, 0, 2, 1, -1, 1, 1, -1, 30, 0]);
  assert.deepEqual([...timestamps.slice(0, 3)], [5, 77, 77]);
  const text = new TextEncoder().encode("ké");
  assert.deepEqual([...bytes.slice(0, 39)], [...text, 1, 2, 3, 104, 120, 9, ...new Array(30).fill(4)]);

  assert.equal(new RecordColumns(kernel).fill(records, [0, 2], 1, 78, many), 1, "the record at place 2 alone");
  assert.deepEqual([lengths[1], timestamps[0]], [30, 78]);
});

test("a batch ends before the record that passes a bound, and that record begins the next", () => {
  const records: RecordInput[] = ["aaaa", "bbbb", "cccc"].map((value) => ({ value }));
  const header = 61;
  const each = 32 + 4; // what a record takes at most
  const columns = new RecordColumns(kernelOf(64, 64, 8));
  const taken = (maxBytes: number, from = 0): number =>
    columns.fill(records, null, from, 0, { maxBytes, single: false });
  assert.equal(taken(header + 3 * each), 3);
  assert.equal(taken(header + 3 * each - 1), 2);
  assert.equal(taken(header + 3 * each - 1, 2), 1);
  assert.equal(taken(1), 1, "one record always goes");
  assert.equal(
    columns.fill(records, null, 0, 0, { maxBytes: 1, single: true }),
    3,
    "the log refuses what is too large",
  );
});

test("what the columns cannot hold goes to the next batch, or is refused when it must be one", () => {
  const records: RecordInput[] = Array.from({ length: 5 }, () => ({ key: "k", value: "12345" }));
  for (const [kernel, taken] of [
    [kernelOf(13, 64, 8), 2], // bytes for two and a key
    [kernelOf(64, 8, 8), 2], // lengths for two and two thirds
    [kernelOf(64, 64, 2), 2], // timestamps for two
  ] as const) {
    const columns = new RecordColumns(kernel);
    assert.equal(columns.fill(records, null, 0, 0, many), taken);
    assert.equal(columns.fill(records, null, 4, 0, one), 1);
    assert.throws(() => columns.fill(records, null, 0, 0, one), tooLarge);
  }
  const columns = new RecordColumns(kernelOf(4, 8, 8));
  assert.throws(() => columns.fill([{ value: "12345" }], null, 0, 0, many), tooLarge);
  assert.throws(() => columns.fill([{ value: new Uint8Array(5) }], null, 0, 0, many), tooLarge);
  const headers = Array.from({ length: 3 }, () => ["", null] as const);
  assert.throws(() => columns.fill([{ headers }], null, 0, 0, many), tooLarge);
});

test("no batch is larger than a run may be", () => {
  const columns = new RecordColumns(createTwinKernel());
  const half: RecordInput = { value: new Uint8Array(maxRunBytes / 2) };
  assert.equal(columns.fill([half, half], null, 0, 0, many), 1);
  assert.throws(() => columns.fill([half, half], null, 0, 0, one), tooLarge);
  assert.throws(() => columns.fill([{ value: "x".repeat(maxRunBytes) }], null, 0, 0, many), tooLarge);
});
