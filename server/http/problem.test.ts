import assert from "node:assert/strict";
import { test } from "node:test";
import { type Broker, errorCodes, MoldauError } from "../../engine/index.ts";
import { problemOf as readProblem, testApp } from "./app.test.support.ts";
import { errorStatus, problemOf } from "./problem.ts";

test("a 4xx never leaves something behind: those codes have no effect", () => {
  for (const code of errorCodes) {
    if (errorStatus[code] < 500) assert.equal(new MoldauError(code, "").effect, "none", code);
  }
});

test("each error of the broker is answered by its status, with what a retry needs", async (t) => {
  const { broker } = await testApp(t);
  let thrown: Error = new Error();
  const failing = new Proxy(broker, {
    get(target, member) {
      const value = Reflect.get(target, member) as unknown;
      if (member === "listTopics")
        return () => {
          throw thrown;
        };
      return typeof value === "function" ? value.bind(target) : value;
    },
  }) as Broker;
  const { get, said } = await testApp(t, { broker: failing });
  for (const code of errorCodes) {
    thrown = new MoldauError(code, "what was wrong");
    const response = await get("/v1/topics");
    const problem = await readProblem(response);
    assert.equal(response.status, errorStatus[code], code);
    const { retriable, effect } = thrown as MoldauError;
    assert.deepEqual([problem.code, problem["retriable"], problem["effect"]], [code, retriable, effect]);
    assert.equal(problem["type"], `urn:moldau:error:${code}`);
    assert.equal(response.headers.has("retry-after"), retriable && [429, 503].includes(response.status), code);
    if (code !== "UNKNOWN_SERVER_ERROR") assert.equal(problem.detail, "what was wrong");
  }
  said.length = 0;
  thrown = new TypeError("at /secret/path");
  const problem = await readProblem(await get("/v1/topics"));
  assert.equal(problem.code, "UNKNOWN_SERVER_ERROR");
  assert.doesNotMatch(JSON.stringify(problem), /secret/);
  assert.deepEqual(said, ["a request met an unforeseen error"]);
});

test("an error's own effect and retriable win over its code's", () => {
  const problem = problemOf(
    new MoldauError("KAFKA_STORAGE_ERROR", "sync failed", { effect: "unknown", retriable: false }),
  );
  assert.deepEqual([problem.effect, problem.retriable, problem.status], ["unknown", false, 503]);
});
