import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatEpochCheckpoint,
  formatOffsetCheckpoint,
  formatProperties,
  parseEpochCheckpoint,
  parseOffsetCheckpoint,
  parseProperties,
} from "./checkpoint-file.ts";
import type { EpochEntry } from "./leader-epochs.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const bytesOf = (text: string): Uint8Array => encoder.encode(text);

const offset = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constant(Number.MAX_SAFE_INTEGER));
const offsetEntries = fc
  .dictionary(fc.stringMatching(/^[a-zA-Z0-9._-]{1,20}$/), fc.tuple(fc.nat(9999), offset), { maxKeys: 8 })
  .map((topics) => new Map(Object.entries(topics).map(([topic, [partition, at]]) => [`${topic} ${partition}`, at])));
const epochEntries = fc
  .uniqueArray(fc.tuple(fc.nat(), offset), { selector: ([epoch]) => epoch, maxLength: 8 })
  .map((pairs) => {
    const epochs = pairs.map(([epoch]) => epoch).sort((one, other) => one - other);
    const starts = [...new Set(pairs.map(([, start]) => start))].sort((one, other) => one - other);
    return starts.map((startOffset, index): EpochEntry => ({ epoch: epochs[index]!, startOffset }));
  });

test("an offset checkpoint has Kafka's bytes", () => {
  const text = "0\n2\nevents 0 41\nlogs-2 1 0\n";
  const entries = new Map([
    ["events 0", 41],
    ["logs-2 1", 0],
  ]);
  assert.equal(decoder.decode(formatOffsetCheckpoint(entries)), text);
  assert.deepEqual(parseOffsetCheckpoint(bytesOf(text)), entries);
  assert.deepEqual(parseOffsetCheckpoint(bytesOf("0\n0\n")), new Map());
});

test("an epoch checkpoint has Kafka's bytes", () => {
  const text = "0\n2\n3 0\n7 1200\n";
  const entries = [
    { epoch: 3, startOffset: 0 },
    { epoch: 7, startOffset: 1200 },
  ];
  assert.equal(decoder.decode(formatEpochCheckpoint(entries)), text);
  assert.deepEqual(parseEpochCheckpoint(bytesOf(text)), entries);
});

test("checkpoints come back as they were, and no cut one does", () => {
  fc.assert(
    fc.property(offsetEntries, epochEntries, fc.nat(), (offsets, epochs, cut) => {
      const offsetBytes = formatOffsetCheckpoint(offsets);
      const epochBytes = formatEpochCheckpoint(epochs);
      assert.deepEqual(parseOffsetCheckpoint(offsetBytes), offsets);
      assert.deepEqual(parseEpochCheckpoint(epochBytes), epochs);
      assert.equal(parseOffsetCheckpoint(offsetBytes.subarray(0, cut % offsetBytes.length)), null);
      assert.equal(parseEpochCheckpoint(epochBytes.subarray(0, cut % epochBytes.length)), null);
    }),
  );
});

test("malformed checkpoints are null", () => {
  for (const text of [
    "",
    "\n",
    "1\n0\n",
    "0\n2\na 0 1\n",
    "0\n1\na 0 1\nb 0 1\n",
    "0\n1\na 0\n",
    "0\n1\na 0 1 2\n",
    "0\n1\na 0 -1\n",
    "0\n1\na x 1\n",
    "0\n1\na 0 9007199254740992\n",
    "0\n2\na 0 1\na 0 2\n",
    "0\n-1\n",
    "0\n1\na 0 0x1\n",
  ]) {
    assert.equal(parseOffsetCheckpoint(bytesOf(text)), null, JSON.stringify(text));
  }
  for (const text of ["0\n2\n3 0\n2 5\n", "0\n2\n3 5\n4 5\n", "0\n1\n3\n", "0\n1\n-1 0\n"]) {
    assert.equal(parseEpochCheckpoint(bytesOf(text)), null, JSON.stringify(text));
  }
  assert.equal(parseOffsetCheckpoint(Uint8Array.of(0x30, 0x0a, 0xff, 0x0a)), null);
});

test("partition.metadata and meta.properties have Kafka's bytes", () => {
  const metadata = new Map([
    ["version", "0"],
    ["topic_id", "4yVYgJpKTzmCWSSsLOtTJA"],
  ]);
  assert.equal(decoder.decode(formatProperties(metadata, ": ")), "version: 0\ntopic_id: 4yVYgJpKTzmCWSSsLOtTJA\n");
  assert.deepEqual(parseProperties(formatProperties(metadata, ": ")), metadata);
  const java =
    "#\n#Mon Jan 05 10:00:00 UTC 2026\ncluster.id=aG\\=x\\:y\n! too\nversion=1\n  node.id = 1\r\n\nlong=a\\\n   b\n";
  assert.deepEqual(
    parseProperties(bytesOf(java)),
    new Map([
      ["cluster.id", "aG=x:y"],
      ["version", "1"],
      ["node.id", "1"],
      ["long", "ab"],
    ]),
  );
  assert.equal(parseProperties(bytesOf("a=\\u12")), null);
  assert.equal(parseProperties(Uint8Array.of(0xff)), null);
});

test("properties come back as they were", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 12 });
  const awkward = fc.string({
    unit: fc.constantFrom("\\", "=", ":", " ", "#", "!", "\n", "\r", "\t", "\f", "a", "u"),
    maxLength: 6,
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.oneof(text, awkward), fc.oneof(text, awkward)), { maxLength: 5 }), (pairs) => {
      const entries = new Map(pairs);
      assert.deepEqual(parseProperties(formatProperties(entries)), entries);
    }),
  );
});
