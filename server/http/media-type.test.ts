import assert from "node:assert/strict";
import { test } from "node:test";
import { acceptedForm, bodyForm } from "./media-type.ts";

const offered = ["json", "cbor", "events"] as const;

test("Accept chooses by quality, then by what the server prefers", () => {
  const cases: [string | null, string][] = [
    [null, "json"],
    ["", "json"],
    ["*/*", "json"],
    ["application/cbor", "cbor"],
    ["APPLICATION/CBOR; charset=x", "cbor"],
    ["application/*", "json"],
    ["text/*", "events"],
    ["application/json;q=0.5, application/cbor;q=0.9", "cbor"],
    ["*/*, application/cbor", "cbor"],
    ["application/json;q=0, */*;q=0.1", "cbor"],
    ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "json"],
  ];
  for (const [accept, form] of cases) assert.equal(acceptedForm(accept, offered), form, String(accept));
});

test("an Accept that wants nothing of ours is NOT_ACCEPTABLE and names what there is", () => {
  for (const accept of ["image/png", "application/json;q=0", "application/xml, text/plain"]) {
    assert.throws(
      () => acceptedForm(accept, offered),
      { code: "NOT_ACCEPTABLE", message: /application\/json, application\/cbor/ },
      accept,
    );
  }
});

test("a body's form is its Content-Type, in UTF-8 and uncompressed", () => {
  const of = (type: string | null, encoding?: string): string =>
    bodyForm(
      new Headers({
        ...(type === null ? {} : { "content-type": type }),
        ...(encoding === undefined ? {} : { "content-encoding": encoding }),
      }),
      offered,
    );
  assert.equal(of("application/json"), "json");
  assert.equal(of("Application/JSON ; charset=UTF-8"), "json");
  assert.equal(of("application/cbor", "identity"), "cbor");
  for (const type of [
    null,
    "",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=latin1",
    "application/jsonx",
  ]) {
    assert.throws(() => of(type), { code: "UNSUPPORTED_MEDIA_TYPE" }, String(type));
  }
  assert.throws(() => of("application/json", "gzip"), { code: "UNSUPPORTED_MEDIA_TYPE", message: /gzip/ });
});
