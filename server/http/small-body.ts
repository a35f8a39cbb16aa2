// A body of settings: small, read whole, JSON or CBOR.

import { holdBody, wholeBody } from "./body.ts";
import { bodyForm } from "./media-type.ts";
import type { Call, Face } from "./operation.ts";
import { checkJsonCounts } from "./record-count.ts";
import { decodeJson } from "./record-input.ts";
import { decodeCbor } from "./records-cbor.ts";

/** No body at all is an empty one. */
export async function smallBody(call: Call<unknown>, face: Face): Promise<unknown> {
  const held = await holdBody(call.body, face);
  try {
    const bytes = wholeBody(held);
    if (bytes.length === 0) return {};
    if (bodyForm(call.headers, ["json", "cbor"]) === "cbor") return decodeCbor(bytes, "the body", true);
    checkJsonCounts(bytes);
    return decodeJson(bytes, "the body").value;
  } finally {
    held.release();
  }
}
