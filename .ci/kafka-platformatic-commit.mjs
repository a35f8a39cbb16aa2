// A commit of a message of @platformatic/kafka in a group of the consumer protocol.
import { setTimeout as sleep } from "node:timers/promises";

const attempts = 100;

/** The group may have gone on to another epoch just now: Kafka has such a commit sent again, and the client leaves it to us. */
export async function commit(message) {
  for (let left = attempts; ; left--) {
    try {
      return await message.commit();
    } catch (error) {
      if (left === 0 || !error.findBy?.("apiId", "STALE_MEMBER_EPOCH")) throw error;
      await sleep(100);
    }
  }
}
