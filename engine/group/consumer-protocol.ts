// What a classic group's coordinator reads of its members' opaque bytes: the topics.
//
//   ConsumerProtocolSubscription: | version 2 | [topic] | user data | ... by version |
//
// Owns: the topics of a subscription. Never: an assignment, or user data; those are the clients' own.

import { ByteReader } from "./bytes.ts";

/** null when these bytes are no subscription: other protocols may put anything there. */
export function subscriptionTopics(bytes: Uint8Array): string[] | null {
  try {
    const reader = new ByteReader(bytes);
    if (reader.int16() < 0) return null;
    return reader.array(2, false, () => reader.string());
  } catch {
    return null;
  }
}
