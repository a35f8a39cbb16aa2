// A member over HTTP that did not hear what it is to let go hears it with its next heartbeat.

import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { GroupMember, Membership } from "./contract.ts";
import { openHttpAdapter } from "./http.ts";
import { MoldauProcess } from "./moldau-process.test-support.ts";

let moldau: MoldauProcess;
before(async () => {
  moldau = await MoldauProcess.start();
});
after(() => moldau.end());

/** Of what is fetched the answer to the next request is lost: what was asked for has happened. */
function loseAnAnswer(context: TestContext): void {
  const { fetch } = globalThis;
  const restore = (): void => {
    globalThis.fetch = fetch;
  };
  context.after(restore);
  globalThis.fetch = async (...request) => {
    restore();
    await (await fetch(...request)).text();
    throw new TypeError("fetch failed");
  };
}

test("who is told to let go and does not hear it is told again", async (context) => {
  const adapter = await openHttpAdapter({ url: moldau.url });
  context.after(() => adapter.close());
  await adapter.createTopic("t", { partitions: 2 });
  const joined = async (): Promise<{ member: GroupMember; shares: Membership[] }> => {
    const shares: Membership[] = [];
    const listener = { revoked: () => {}, assigned: (share: Membership) => void shares.push(share) };
    return { member: await adapter.joinGroup("g", ["t"], listener), shares };
  };
  const [first, second] = [await joined(), await joined()];
  await first.member.heartbeat();
  assert.equal(first.shares.at(-1)?.partitions.length, 2);
  await second.member.heartbeat();
  loseAnAnswer(context);
  await assert.rejects(first.member.heartbeat());
  // It hears what it has to give up, says that it has, and the other gets it.
  await first.member.heartbeat();
  await first.member.heartbeat();
  await second.member.heartbeat();
  assert.equal(first.shares.at(-1)?.partitions.length, 1);
  assert.equal(second.shares.at(-1)?.partitions.length, 1);
});
