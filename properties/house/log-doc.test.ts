import { deepStrictEqual } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findingKinds } from "../../engine/index.ts";
import { repositoryRoot } from "./repository.ts";

test("docs/log-tool.md names every kind of finding, in the words of the source", () => {
  const document = readFileSync(join(repositoryRoot(), "docs/log-tool.md"), "utf8");
  const table = document.slice(document.indexOf("<!-- kinds:begin -->"), document.indexOf("<!-- kinds:end -->"));
  const rows = [...table.matchAll(/^\| `([a-z-]+)` \| (.*) \|$/gm)].map(([, kind, meaning]) => [kind, meaning]);
  deepStrictEqual(rows, Object.entries(findingKinds));
});
