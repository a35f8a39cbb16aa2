import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { errorCodes, MoldauError } from "../../engine/index.ts";
import { kafkaErrorCode, kafkaErrorName, kafkaErrors } from "./errors.ts";

test("Kafka's codes are whole numbers from -1 on, without a gap or a second name", () => {
  const codes = Object.values(kafkaErrors).map(({ code }) => code);
  deepStrictEqual(
    codes,
    codes.map((_, index) => index - 1),
  );
  ok(codes.length > 130);
});

test("every error of ours has a code of Kafka's, under its own name where there is one", () => {
  for (const code of errorCodes) {
    const name = kafkaErrorName(code);
    ok(name in kafkaErrors, code);
    if (code in kafkaErrors) strictEqual(name, code);
    strictEqual(kafkaErrorCode(new MoldauError(code, "")), kafkaErrors[name].code);
  }
});

test("what nobody foresaw is -1, and what a client can number is what it expects", () => {
  strictEqual(kafkaErrorCode(new TypeError("x")), -1);
  strictEqual(kafkaErrorCode("thrown text"), -1);
  strictEqual(kafkaErrorCode(new MoldauError("UNKNOWN_TOPIC_OR_PARTITION", "")), 3);
  strictEqual(kafkaErrorCode(new MoldauError("OUT_OF_ORDER_SEQUENCE_NUMBER", "")), 45);
  strictEqual(kafkaErrorCode(new MoldauError("BROKER_CLOSED", "")), 6);
});

test("a client may try again where Kafka says so", () => {
  for (const name of ["UNKNOWN_TOPIC_OR_PARTITION", "CORRUPT_MESSAGE", "NOT_LEADER_OR_FOLLOWER"] as const)
    strictEqual(kafkaErrors[name].retriable, true, name);
  for (const name of ["UNKNOWN_SERVER_ERROR", "OFFSET_OUT_OF_RANGE", "FENCED_INSTANCE_ID"] as const)
    strictEqual(kafkaErrors[name].retriable, false, name);
});
