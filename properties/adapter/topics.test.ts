// A log that loses a topic is found, over both faces and however it loses it: by A18, and by the topic's name.

import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { after, test } from "node:test";
import { memoryStorage, openBroker } from "../../server/runtime/web/index.ts";
import { judge, type Violation } from "../checker/index.ts";
import type { History } from "../history.ts";
import { checkLog } from "../library/check-log.ts";
import { type FaultControl, runWorkload } from "../workload/index.ts";
import type { ListedTopic, LogAdapter } from "./contract.ts";
import { EngineAdapter } from "./engine.ts";
import { openHttpAdapter } from "./http.ts";
import { MoldauProcess } from "./moldau-process.test-support.ts";
import { openKafkaAdapter } from "./open-kafka.ts";

const invariant = "A18: a topic whose creation was acknowledged exists; a deleted one stays deleted";

let started: Promise<MoldauProcess> | null = null;
const moldau = (): Promise<MoldauProcess> => {
  started ??= MoldauProcess.start();
  return started;
};
after(async () => (await started)?.end());

const faces: Readonly<Record<string, (log: MoldauProcess) => Promise<LogAdapter>>> = {
  HTTP: ({ url }) => openHttpAdapter({ url }),
  "Kafka's protocol": ({ bootstrap }) => openKafkaAdapter({ brokers: [bootstrap] }),
};

async function work(
  adapter: LogAdapter,
  faults: (control: FaultControl) => Promise<void>,
  healMs = 1000,
): Promise<History> {
  try {
    const options = { adapter, seed: 5, seconds: 1, healMs, operationTimeoutMs: 1000 };
    return (await runWorkload({ ...options, processes: { renewers: 0 }, faults })).history;
  } finally {
    await adapter.close();
  }
}

function found(history: History): Violation[] {
  return judge(history).violations.filter((violation) => violation.invariant === invariant);
}

function created(history: History): { topic: string; id?: string }[] {
  return history.flatMap((event) => (event.kind === "create topic" ? [event] : []));
}

for (const [face, open] of Object.entries(faces)) {
  const killAndStart = async (log: MoldauProcess, control: FaultControl, meanwhile = (): void => {}): Promise<void> => {
    await control.sleep(300);
    control.crashing("SIGKILL", "the only one");
    await log.kill();
    meanwhile();
    await log.start();
    await control.restarted("started again");
  };

  test(`${face}: topics that outlive a SIGKILL are held to be there, and hold`, async () => {
    const log = await moldau();
    // A group whose members were cut off may take a session's time to come to its end.
    const history = await work(await open(log), (control) => killAndStart(log, control), 30_000);
    const { checked, violations } = judge(history);
    assert.deepEqual(violations, []);
    const lists = history.flatMap((event) => (event.kind === "topics" ? [event.ids] : []));
    assert.equal(lists.length, 3, "after their creation, after the restart, and in the end");
    const topics = created(history);
    assert.equal(topics.length, 2);
    for (const ids of lists) assert.deepEqual([...ids].sort(), topics.map(({ id }) => id).sort());
    for (const { topic, id } of topics) assert.equal(id === topic, face !== "HTTP", "HTTP has ids");
    assert.equal(checked.find((one) => one.invariant === invariant)?.times, 6);
  });

  test(`${face}: a log that loses one topic`, async () => {
    const log = await moldau();
    const behind = await openHttpAdapter({ url: log.url });
    const history = await work(await open(log), async () => {
      const ours = (await behind.listTopics()).filter(({ topic }) => /^moldau-check-5-\w+-compacted$/.test(topic));
      // The youngest: earlier runs have left theirs.
      await behind.deleteTopic(
        ours
          .map(({ topic }) => topic)
          .sort()
          .at(-1) as string,
      );
    });
    const [lost] = created(history).filter(({ topic }) => topic.endsWith("-compacted"));
    const violations = found(history);
    assert.deepEqual(
      violations.map(({ message }) => message.replace(/ at \d+ ms in life 1/g, "")),
      [`topic ${lost?.topic} was created (id ${lost?.id}) and is not listed`],
    );
    const kinds = violations[0]?.events.map((index) => history[index]?.kind);
    assert.deepEqual(kinds?.sort(), ["create topic", "topics"]);
  });

  test(`${face}: a log that is empty after a SIGKILL`, async () => {
    const log = await MoldauProcess.start();
    try {
      const history = await work(await open(log), (control) =>
        killAndStart(log, control, () => {
          rmSync(log.folder, { recursive: true });
          mkdirSync(log.folder);
        }),
      );
      assert.deepEqual(
        found(history).map(({ message }) => /^topic (\S+) was created/.exec(message)?.[1]),
        created(history).map(({ topic }) => topic),
      );
    } finally {
      await log.end();
    }
  });
}

/** An id for a life of a topic that was another's: lost, and made anew under its name. */
class Renewing extends EngineAdapter {
  #lists = 0;

  override async listTopics(): Promise<ListedTopic[]> {
    this.#lists += 1;
    const topics = await super.listTopics();
    return this.#lists < 2 ? topics : topics.map((listed) => ({ ...listed, id: "another" }));
  }
}

test("a topic that was made anew behind one's back is another, where there are ids", async () => {
  const verdict = await checkLog({
    open: async () => new Renewing(await openBroker({ storage: memoryStorage() })),
    runs: 3,
    seed: 1,
  });
  const messages = verdict.counterexample?.violations.filter((one) => one.invariant === invariant);
  assert.match(messages?.[0]?.message ?? "", /^topic plan-\d+ was created .* and is not listed/);
});

test("a list that cannot be had accuses nobody", async () => {
  const adapter = new EngineAdapter(await openBroker({ storage: memoryStorage() }));
  const deaf = new Proxy<LogAdapter>(adapter, {
    get(target, name) {
      if (name === "listTopics") return () => Promise.reject(new Error("not now"));
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const history = await work(deaf, async () => {});
  assert.deepEqual(found(history), []);
  assert.equal(history.filter(({ kind }) => kind === "topics").length, 0);
  assert.ok(judge(history).notApplicable.some((one) => one.invariant === invariant));
});
