import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { draw } from "../random.ts";
import type { FaultControl } from "./index.ts";
import { killAndRestart, killMoments } from "./kills.ts";

test("kills spread over the time, one in each part, and a seed decides when", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 600 }), (seed, kills, seconds) => {
      const moments = killMoments(draw(seed, "kills"), kills, seconds);
      assert.deepEqual(moments, killMoments(draw(seed, "kills"), kills, seconds));
      const part = (seconds * 900) / kills;
      moments.forEach((moment, kill) => {
        const from = seconds * 50 + kill * part;
        assert.ok(moment >= from && moment <= from + part, `${moment} is not in part ${kill}`);
      });
    }),
  );
});

/** A process that dies when it is killed, and after `livesMs` of its own accord. */
class FakeProcess {
  readonly told: string[] = [];
  readonly #livesMs: readonly (number | undefined)[];
  #end: (how: string) => void = () => {};
  #ended: Promise<string> = new Promise(() => {});
  #lives = 0;

  constructor(...livesMs: (number | undefined)[]) {
    this.#livesMs = livesMs;
    this.start();
  }

  start(): void {
    this.told.push("start");
    this.#ended = new Promise((resolve) => (this.#end = resolve));
    const livesMs = this.#livesMs[this.#lives++];
    if (livesMs !== undefined) setTimeout(() => this.#end("status 1"), livesMs);
  }

  async kill(): Promise<void> {
    this.told.push("kill");
    this.#end("SIGKILL");
  }

  ended(): Promise<string> {
    return this.#ended;
  }
}

function controlOf(told: string[]): FaultControl {
  const began = performance.now();
  return {
    signal: new AbortController().signal,
    elapsedMs: () => performance.now() - began,
    operations: () => 0,
    sleep: async () => {},
    fault: (what) => void told.push(`fault ${what}`),
    crashing: (what, detail) => void told.push(`${what}: ${detail}`),
    crashed: () => void told.push("dead"),
    restarted: async () => told.push("answers") > 0,
  };
}

test("it is killed as often as was asked for, and has answered before each kill", async () => {
  const process = new FakeProcess();
  const { told } = process;
  await killAndRestart({ process, kills: 2, seconds: 1, seed: 3 })(controlOf(told));
  const life = ["kill", "dead", "start", "answers"];
  assert.deepEqual(told, ["start", "SIGKILL: 1 of 2", ...life, "SIGKILL: 2 of 2", ...life]);
});

test("one that ends by itself is told of and started again, and counts as no kill", async () => {
  const process = new FakeProcess(10);
  const { told } = process;
  await killAndRestart({ process, kills: 1, seconds: 2, seed: 3 })(controlOf(told));
  assert.deepEqual(told, [
    "start",
    "ended by itself: status 1",
    "dead",
    "kill",
    "start",
    "answers",
    "SIGKILL: 1 of 1",
    "kill",
    "dead",
    "start",
    "answers",
  ]);
});

test("a stop ends the killing and leaves it running", async () => {
  const process = new FakeProcess();
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 20);
  await killAndRestart({ process, kills: 5, seconds: 600, seed: 3, stop: stop.signal })(controlOf(process.told));
  assert.deepEqual(process.told, ["start"]);
});

test("one that does not come back is told of, and the killing ends", async () => {
  const process = new FakeProcess();
  const { told } = process;
  const control = { ...controlOf(told), restarted: (_: string, signal?: AbortSignal) => aborted(signal) };
  await killAndRestart({ process, kills: 5, seconds: 1, seed: 3, answerMs: 30 })(control);
  assert.deepEqual(told, ["start", "SIGKILL: 1 of 5", "kill", "dead", "start", "fault did not come back"]);
});

test("one that ends each time it is started again is not started for ever", async () => {
  const process = new FakeProcess(undefined, 1, 1, 1, 1);
  const { told } = process;
  const control = { ...controlOf(told), restarted: (_: string, signal?: AbortSignal) => aborted(signal) };
  await killAndRestart({ process, kills: 1, seconds: 1, seed: 3 })(control);
  assert.equal(told.filter((word) => word === "start").length, 4);
  assert.equal(told.at(-1), "fault did not come back");
});

function aborted(signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => signal?.addEventListener("abort", () => resolve(false)));
}
