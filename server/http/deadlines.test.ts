import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../engine/broker/world.test.support.ts";
import { type Deadline, Deadlines } from "./deadlines.ts";

class CountingClock extends ManualClock {
  timers = 0;
  begun = 0;

  override schedule(delayMs: number, run: () => void): () => void {
    this.timers += 1;
    this.begun += 1;
    let isOver = false;
    const over = (): void => {
      if (!isOver) this.timers -= 1;
      isOver = true;
    };
    const cancel = super.schedule(delayMs, () => {
      over();
      run();
    });
    return () => {
      over();
      cancel();
    };
  }
}

test("each wait is late in its turn, a renewed one later, an ended one never", async () => {
  const clock = new CountingClock();
  const deadlines = new Deadlines(clock, 100);
  const late: string[] = [];
  const begin = (name: string): Deadline => deadlines.begin(() => late.push(`${name} ${clock.monotonic()}`));
  const first = begin("first");
  await clock.advance(40);
  const renewed = begin("renewed");
  const ended = begin("ended");
  begin("last");
  await clock.advance(30);
  renewed.renew();
  ended.end();
  ended.end();
  ended.renew();
  await clock.advance(1000);
  first.end();
  first.renew();
  await clock.advance(1000);
  assert.deepEqual(late, ["first 100", "last 140", "renewed 170"]);
  assert.equal(clock.timers, 0);
});

test("thousands of waits that overlap share one timer, and leave none behind", async () => {
  const clock = new CountingClock();
  const deadlines = new Deadlines(clock, 100);
  const waits = Array.from({ length: 5000 }, () => deadlines.begin(() => assert.fail("none is late")));
  assert.equal(clock.timers, 1);
  for (const wait of waits) wait.end();
  assert.equal(clock.timers, 0);
  assert.equal(clock.begun, 1);
});

test("what is begun or ended within another's lateness is kept straight", async () => {
  const clock = new CountingClock();
  const deadlines = new Deadlines(clock, 100);
  const late: number[] = [];
  deadlines.begin(() => {
    late.push(clock.monotonic());
    second.end();
    deadlines.begin(() => late.push(clock.monotonic()));
  });
  const second = deadlines.begin(() => late.push(-1));
  await clock.advance(1000);
  assert.deepEqual(late, [100, 200]);
  assert.equal(clock.timers, 0);
});
