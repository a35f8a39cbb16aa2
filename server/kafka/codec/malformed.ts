// What is wrong with bytes that came, or with a value that is to become bytes.
//
// Owns: that it is a MoldauError with INVALID_REQUEST, whatever was wrong.
// Never: answers; who reads decides what becomes of the connection.

import { MoldauError } from "../../../engine/index.ts";

export function malformed(message: string): MoldauError {
  return new MoldauError("INVALID_REQUEST", message);
}
