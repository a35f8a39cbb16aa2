import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "../house/repository.ts";
import { readPlan, UsageError } from "./plan-file.ts";
import { plansOf } from "./seeds.ts";

test("every plan of the corpus, and every one that is drawn, is read as it was written", () => {
  const corpus = join(repositoryRoot(), "properties", "corpus");
  for (const name of readdirSync(corpus)) assert.equal(typeof readPlan(join(corpus, name)).seed, "number");
  within((folder) => {
    const file = join(folder, "drawn.json");
    for (const plan of plansOf(7)) {
      writeFileSync(file, JSON.stringify({ plan }));
      assert.deepEqual(readPlan(file), JSON.parse(JSON.stringify(plan)));
    }
  });
});

test("a file without a plan is named, with what is wrong and where there are plans", () => {
  const plan = plansOf(7, 1)[0];
  const wrong: readonly (readonly [text: string | null, message: RegExp])[] = [
    [null, / cannot be read: ENOENT/],
    ["{", / is no JSON: /],
    ['{"seed":1}', / holds no plan: it has no 'plan'/],
    ["[]", / holds no plan: it has no 'plan'/],
    ['{"plan":{}}', / holds no plan: 'plan\.seed' is no number/],
    [JSON.stringify({ plan: { ...plan, disk: null } }), /'plan\.disk' is no object/],
    [JSON.stringify({ plan: { ...plan, topics: [{ partitions: 1 }] } }), /'plan\.topics\[0\]\.configs' is no object/],
    [JSON.stringify({ plan: { ...plan, actors: {} } }), /'plan\.actors' is no list/],
    [JSON.stringify({ plan: { ...plan, faults: [{ luck: 1, atMs: 1 }] } }), /'plan\.faults\[0\]\.do' is no text/],
    ...[
      [{ actors: [{ ...part, do: "reed" }] }, /'plan\.actors\[0\]\.do' is "reed"; known are produce, .*read, consume/],
      [{ actors: [{ ...part, do: "toString" }] }, /'plan\.actors\[0\]\.do' is "toString"; known are/],
      [{ actors: [{ ...consume, protocol: "old" }] }, /\.protocol' is "old"; known are classic, consumer$/m],
      [{ actors: [{ ...consume, protcol: "classic" }] }, /'plan\.actors\[0\]\.protcol' means nothing; known are luck/],
      [{ actors: [{ ...produce, acks: "most" }] }, /\.acks' is "most"; known are all, leader, none$/m],
      [{ actors: [{ ...produce, acks: 1 }] }, /'plan\.actors\[0\]\.acks' is no text/],
      [{ actors: [{ ...administer, tasks: ["rest"] }] }, /\.tasks\[0\]' is "rest"; known are delete records, /],
      [{ faults: [{ ...part, do: "crush" }] }, /'plan\.faults\[0\]\.do' is "crush"; known are crash, kill, /],
      [{ faults: [{ ...crash, inVain: "twice" }] }, /\.inVain' is "twice"; known are sync$/m],
      [{ faults: [{ ...crash, in: "role" }] }, /\.in' is "role"; known are swap, roll$/m],
      [{ faults: [{ ...crash, again: [null] }] }, /'plan\.faults\[0\]\.again\[0\]' is no number/],
      [{ faults: [{ ...part, do: "fail disk", count: 1, kind: "write" }] }, /\.kind' is "write"; known are sync log, /],
      [{ faults: [{ ...restart, without: ["logs"] }] }, /\.without\[0\]' is "logs"; known are snapshots, /],
      [{ faults: [{ ...cut, of: "two" }] }, /\.of' is "two"; known are one, all$/m],
      [{ faults: [{ ...cut, way: "neither" }] }, /\.way' is "neither"; known are both, requests, answers$/m],
      [{ nodes: {} }, /'plan\.nodes' means nothing; known are seed, /],
    ].map(([change, message]) => [JSON.stringify({ plan: { ...plan, ...change } }), message as RegExp] as const),
  ];
  within((folder) => {
    for (const [at, [text, message]] of wrong.entries()) {
      const file = join(folder, `${at}.json`);
      if (text !== null) writeFileSync(file, text);
      assert.throws(
        () => readPlan(file),
        (error) =>
          error instanceof UsageError &&
          error.message.startsWith(file) &&
          message.test(error.message) &&
          error.message.includes("properties/corpus"),
        text ?? "no file",
      );
    }
  });
});

const part = { luck: 1, atMs: 1 };
const produce = { ...part, do: "produce", log: 0, operations: 1, everyMs: 1 };
const consume = { ...part, do: "consume", protocol: "classic", isStatic: true, everyMs: 1, limit: 1 };
const administer = { ...part, do: "administer", operations: 1, everyMs: 1 };
const crash = { ...part, do: "crash", afterWrites: 0, downMs: 0, again: [] };
const restart = { ...part, do: "restart", downMs: 0 };
const cut = { ...part, do: "clog", forMs: 1, of: "one", way: "both" };

test("every word and member that a plan may leave out is read", () => {
  within((folder) => {
    const file = join(folder, "plan.json");
    const plan = {
      ...plansOf(7, 1)[0],
      ...{ node: { mapKeys: 1 }, actors: [{ ...administer, tasks: ["retention, and a look"] }] },
      faults: [
        { ...crash, inVain: "sync", in: "roll" },
        { ...crash, inVain: 3 },
        { ...restart, without: ["indexes"] },
        cut,
      ],
    };
    writeFileSync(file, JSON.stringify({ plan }));
    assert.deepEqual(readPlan(file), JSON.parse(JSON.stringify(plan)));
  });
});

function within(run: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "moldau-plan-"));
  try {
    run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
