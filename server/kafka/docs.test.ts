// docs/kafka.md says what is served.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { openFace } from "./client.test.support.ts";
import { apiVersions } from "./schema/api-versions.ts";
import { apis } from "./schema/index.ts";

// The built test lies one folder deeper than the source.
const places = ["../../docs/kafka.md", "../../../docs/kafka.md"].map((path) => new URL(path, import.meta.url));
const docs = readFileSync(places.find((url) => existsSync(url))!, "utf8");

test("the table has every API that is advertised, in its versions, and no other", async () => {
  const face = await openFace();
  const { apiKeys } = await face.connect().ask(apiVersions, 3, {});
  const served = apiKeys.map(({ apiKey, minVersion, maxVersion }) => {
    const { name } = apis.find(({ key }) => key === apiKey)!;
    return `| ${apiKey} | ${name} | ${minVersion === maxVersion ? minVersion : `${minVersion}–${maxVersion}`} |`;
  });
  const documented = docs.split("\n").filter((line) => /^\| \d+ \| \w+ \|/.test(line));
  assert.deepEqual(documented, served);
  await face.close();
});
