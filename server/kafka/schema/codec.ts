// Requests, answers and messages as values and as bytes, for both sides of a connection.
//
// Owns: the compiled codecs, one a struct and version, made at their first use; which versions of
//   the headers go with which of an API.
// Never: splits a stream into frames (frame.ts), or says what is served (api-versions.ts).
//
// A frame that is read begins behind its length; one that is written begins with it. Bytes behind
// what a definition has are passed over, as Kafka passes over them.

import type { RunBytes } from "../../../engine/index.ts";
import { malformed } from "../codec/malformed.ts";
import { Reader } from "../codec/reader.ts";
import { Writer } from "../codec/writer.ts";
import { compileStruct } from "./compile.ts";
import { requestHeader, responseHeader } from "./header.ts";
import type { ApiDefinition, MessageDefinition, Read, RequestOf, Struct, Written } from "./notation.ts";
import type { Codec } from "./primitives.ts";

export type RequestHeader = Read<(typeof requestHeader)["fields"]>;
type Versioned = Pick<MessageDefinition, "name" | "versions" | "flexible">;

/** Its answer's header has version 0 always. */
const apiVersionsKey = 18;
const compiled: WeakMap<Struct, Codec[]> = new WeakMap();

export function isKnownVersion({ versions }: Pick<Versioned, "versions">, version: number): boolean {
  return version >= versions[0] && version <= versions[1];
}

/** What every version of a request's header begins with. */
export function peekRequest(frame: RunBytes): Pick<RequestHeader, "apiKey" | "apiVersion" | "correlationId"> {
  const reader = new Reader(frame);
  return { apiKey: reader.int16(), apiVersion: reader.int16(), correlationId: reader.int32() };
}

/** Of a request of this API in this version, as peeked. `elements`: how many its arrays have, all told. */
export function readRequest<Api extends ApiDefinition>(
  api: Api,
  version: number,
  frame: RunBytes,
): { readonly header: RequestHeader; readonly request: RequestOf<Api>; readonly elements: number } {
  const reader = new Reader(frame);
  const codec = codecOf(api, api.request, version);
  const header = codecOf(requestHeader, requestHeader.fields, isFlexible(api, version) ? 2 : 1);
  const readHeader = header.read(reader) as RequestHeader;
  const request = codec.read(reader) as RequestOf<Api>;
  return { header: readHeader, request, elements: reader.elements };
}

export function writeRequest<Api extends ApiDefinition>(
  api: Api,
  version: number,
  { correlationId, clientId }: Pick<RequestHeader, "correlationId" | "clientId">,
  request: Written<Api["request"]>,
): Uint8Array[] {
  const codec = codecOf(api, api.request, version);
  const header = codecOf(requestHeader, requestHeader.fields, isFlexible(api, version) ? 2 : 1);
  return writeFrame((writer) => {
    header.write(writer, { apiKey: api.key, apiVersion: version, correlationId, clientId });
    codec.write(writer, request);
  });
}

export function readResponse<Api extends ApiDefinition>(
  api: Api,
  version: number,
  frame: RunBytes,
): { readonly correlationId: number; readonly response: Read<Api["response"]> } {
  const reader = new Reader(frame);
  const codec = codecOf(api, api.response, version);
  const { correlationId } = headerOfResponse(api, version).read(reader) as { correlationId: number };
  return { correlationId, response: codec.read(reader) as Read<Api["response"]> };
}

/** Record batches are chunks of their own, by reference. */
export function writeResponse<Api extends ApiDefinition>(
  api: Api,
  version: number,
  correlationId: number,
  response: Written<Api["response"]>,
): Uint8Array[] {
  const codec = codecOf(api, api.response, version);
  return writeFrame((writer) => {
    headerOfResponse(api, version).write(writer, { correlationId });
    codec.write(writer, response);
  });
}

export function readMessage<Message extends MessageDefinition>(
  message: Message,
  version: number,
  bytes: RunBytes,
): Read<Message["fields"]> {
  return codecOf(message, message.fields, version).read(new Reader(bytes)) as Read<Message["fields"]>;
}

export function writeMessage<Message extends MessageDefinition>(
  message: Message,
  version: number,
  value: Written<Message["fields"]>,
): Uint8Array {
  const writer = new Writer();
  codecOf(message, message.fields, version).write(writer, value);
  return join(writer.finish());
}

/**
 * A message behind an int16 with its version. `newer`: what members of a group tell each other in
 * a version that we do not know is read as the newest we do, as Kafka reads it.
 */
export function readVersioned<Message extends MessageDefinition>(
  message: Message,
  bytes: RunBytes,
  newer: "refused" | "as the newest" = "refused",
): { readonly version: number; readonly value: Read<Message["fields"]> } {
  const reader = new Reader(bytes);
  reader.field = `the version of ${message.name}`;
  const version = reader.int16();
  const known = newer === "refused" ? version : Math.min(version, message.versions[1]);
  return { version, value: codecOf(message, message.fields, known).read(reader) as Read<Message["fields"]> };
}

export function writeVersioned<Message extends MessageDefinition>(
  message: Message,
  version: number,
  value: Written<Message["fields"]>,
): Uint8Array {
  const writer = new Writer();
  writer.int16(version);
  codecOf(message, message.fields, version).write(writer, value);
  return join(writer.finish());
}

function headerOfResponse(api: ApiDefinition, version: number): Codec {
  const headerVersion = isFlexible(api, version) && api.key !== apiVersionsKey ? 1 : 0;
  return codecOf(responseHeader, responseHeader.fields, headerVersion);
}

function codecOf(definition: Versioned, struct: Struct, version: number): Codec {
  let versions = compiled.get(struct);
  if (versions === undefined) compiled.set(struct, (versions = []));
  const codec = versions[version];
  if (codec !== undefined) return codec;
  if (!isKnownVersion(definition, version)) {
    const [from, to] = definition.versions;
    throw malformed(`${definition.name} has no version ${version}: ${from} to ${to} are known`);
  }
  return (versions[version] = compileStruct(struct, { version, isFlexible: isFlexible(definition, version) }) as Codec);
}

function isFlexible({ flexible }: Versioned, version: number): boolean {
  return flexible !== undefined && version >= flexible;
}

function writeFrame(write: (writer: Writer) => void): Uint8Array[] {
  const writer = new Writer();
  writer.int32(0);
  write(writer);
  const sizeBytes = writer.sizeBytes - 4;
  const chunks = writer.finish();
  const first = chunks[0]!;
  for (let at = 0; at < 4; at++) first[at] = sizeBytes >>> (24 - 8 * at);
  return chunks;
}

/** Memory of its own: a writer's may hold other messages beside it, which would be kept with it. */
function join(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
