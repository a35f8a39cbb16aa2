// One place where a Response is made, so that every answer carries the same few headers.
//
// Owns: those headers. Never: chooses a status or a form.

const always = { "x-content-type-options": "nosniff", "cache-control": "no-store" } as const;

export type Body = string | Uint8Array | ReadableStream<Uint8Array> | null;

/** `contentType` null: an answer without a body. */
export function respond(
  status: number,
  contentType: string | null,
  body: Body,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const all: Record<string, string> = { ...always, ...headers };
  if (contentType !== null) all["content-type"] = contentType;
  if (body instanceof Uint8Array) all["content-length"] = String(body.length);
  return new Response(body as ConstructorParameters<typeof Response>[0], { status, headers: all });
}
