// A topic's id: 128 bits of chance, so that a topic deleted and created again is another one.
//
// Owns: its two spellings: 32 hex digits in our API, 22 characters of base64url in files
//   (as Kafka's Uuid.toString).
// Never: says which topic has which id (metadata.ts).

import { MoldauError } from "../errors.ts";
import type { Entropy } from "../port/world.ts";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** A fresh id, 32 hex digits: a version 4 UUID, as Kafka's are. */
export function createTopicId(entropy: Entropy): string {
  const bytes = new Uint8Array(16);
  entropy.fill(bytes);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  // Kafka avoids a leading "-", which tools take for an option.
  if (bytes[0]! >> 2 === alphabet.indexOf("-")) bytes[0] = bytes[0]! & 0x7f;
  return bytesToTopicId(bytes);
}

export function isTopicId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

export function bytesToTopicId(bytes: Uint8Array): string {
  let id = "";
  for (const byte of bytes) id += byte.toString(16).padStart(2, "0");
  return id;
}

/** The id's 16 bytes; INVALID_REQUEST when it is not 32 hex digits. */
export function topicIdToBytes(id: string): Uint8Array {
  if (!isTopicId(id))
    throw new MoldauError("INVALID_REQUEST", `'${id}' is not a topic id: 32 hex digits in lower case`);
  return Uint8Array.from({ length: 16 }, (_, index) => Number.parseInt(id.slice(index * 2, index * 2 + 2), 16));
}

export function topicIdToBase64(id: string): string {
  const bytes = topicIdToBytes(id);
  let text = "";
  for (let at = 0; at < 16; at += 3) {
    const group = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (let shift = 18; shift >= 0; shift -= 6) text += alphabet[(group >> shift) & 63];
  }
  return text.slice(0, 22);
}

/** null when it is not the base64url of 16 bytes. */
export function topicIdFromBase64(text: string): string | null {
  if (text.length !== 22) return null;
  const bytes = new Uint8Array(16);
  let bits = 0;
  let bitCount = 0;
  let at = 0;
  for (const character of text) {
    const value = alphabet.indexOf(character);
    if (value === -1) return null;
    bits = ((bits << 6) | value) & 0xffff;
    bitCount += 6;
    if (bitCount >= 8) {
      bitCount -= 8;
      bytes[at] = (bits >> bitCount) & 0xff;
      at += 1;
    }
  }
  // 22 characters hold 132 bits: the last four must be zero, or two texts would mean one id.
  return (bits & 15) === 0 ? bytesToTopicId(bytes) : null;
}
