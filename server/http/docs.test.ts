// docs/http.md says what the code does.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { errorCodes, MoldauError } from "../../engine/index.ts";
import { testApp } from "./app.test.support.ts";
import { mediaTypes } from "./media-type.ts";
import { errorStatus, requestStatus } from "./problem.ts";

// The built test lies one folder deeper than the source.
const places = ["../../docs/http.md", "../../../docs/http.md"].map((path) => new URL(path, import.meta.url));
const docs = readFileSync(places.find((url) => existsSync(url))!, "utf8");

test("the table has every code with its status, retriable and effect, and no other", () => {
  const documented = [...docs.matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \| (yes|no) \| (none|unknown) \|/gm)].map(
    ([, code, status, retriable, effect]) => `${code} ${status} ${retriable} ${effect}`,
  );
  const known = errorCodes.map((code) => {
    const { retriable, effect } = new MoldauError(code, "");
    return `${code} ${errorStatus[code]} ${retriable ? "yes" : "no"} ${effect}`;
  });
  const own = Object.entries(requestStatus).map(([code, status]) => `${code} ${status} no none`);
  assert.deepEqual(documented.sort(), [...known, ...own].sort());
});

test("every route, parameter, header and form is there", async (t) => {
  const { get } = await testApp(t);
  const document = (await (await get("/openapi.json")).json()) as {
    paths: Record<
      string,
      Record<string, { parameters?: { name: string; in: string; schema: { maximum?: number } }[] }>
    >;
  };
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { parameters = [] }] of Object.entries(methods)) {
      const line = path.startsWith("/v1")
        ? new RegExp(`^${method.toUpperCase()} +${path.replace(/[{}]/g, "\\$&")} `, "m")
        : new RegExp(` ${path.replace(".", "\\.")}(\\s|$)`, "m");
      assert.match(docs, line, `${method} ${path}`);
      for (const { name, in: place, schema } of parameters) {
        assert.ok(place === "path" || docs.includes(name), `${method} ${path} ${name}`);
        const { maximum } = schema;
        if (maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER)
          assert.match(docs, new RegExp(`${name}.*${maximum}`), name);
      }
    }
  }
  for (const type of Object.values(mediaTypes)) assert.ok(docs.includes(type), type);
});

test("its configs exist, with these defaults", async (t) => {
  const { broker } = await testApp(t);
  const { configs } = await broker.createTopic("defaults");
  const documented = [...docs.matchAll(/^\| `([a-z]+(?:\.[a-z]+)+)` \| `([^`]*)` \|/gm)];
  assert.ok(documented.length >= 6);
  for (const [, name, value] of documented) assert.equal(configs[name!]?.value, value, name);
});

test("its JSON is JSON", () => {
  const blocks = [...docs.matchAll(/```json\n([\s\S]*?)```/g)];
  assert.ok(blocks.length > 4);
  for (const [, text] of blocks) JSON.parse(text!);
});
