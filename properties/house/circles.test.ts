import { deepStrictEqual } from "node:assert/strict";
import { test } from "node:test";
import { circlesOf } from "./circles.ts";
import { readSources } from "./repository.ts";

const words = (circles: string[][]): string[] => circles.map((circle) => circle.join(" -> "));

test("no files of the house import each other in a circle", () => {
  deepStrictEqual(words(circlesOf(readSources())), []);
});

test("a circle is seen, also one that is closed only when needed, and by re-exports", () => {
  for (const back of [
    'const { a } = await import("./a.ts");',
    'export * from "./a.ts";',
    'import { type A, a } from "./a.ts";',
  ])
    deepStrictEqual(
      words(
        circlesOf(
          new Map([
            ["x/start.ts", 'import { a } from "./a.ts";'],
            ["x/a.ts", 'import { b } from "./b.ts";\nimport fs from "node:fs";'],
            ["x/b.ts", 'import { c } from "./c/c.ts";'],
            ["x/c/c.ts", `import "../d.ts";\n${back.replace("./a", "../a")}`],
            ["x/d.ts", "export const d = 1;"],
          ]),
        ),
      ),
      ["x/a.ts -> x/b.ts -> x/c/c.ts -> x/a.ts"],
    );
});

test("types may go round", () => {
  for (const back of ['import type { A } from "./a.ts";', 'export type { A } from "./a.ts";'])
    deepStrictEqual(
      circlesOf(
        new Map([
          ["x/a.ts", 'import { b } from "./b.ts";'],
          ["x/b.ts", back],
        ]),
      ),
      [],
    );
});
