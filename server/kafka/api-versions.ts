// What is served: the APIs that have a handler, in the versions that their definitions know.
//
// Owns: the table that requests are looked up in, and the answer to ApiVersions that is made of it,
//   so that nothing is advertised that is not served, and nothing served that is not advertised.
// Never: answers anything else.
//
// Departs from Kafka: no features, finalized or supported. Without "transaction.version" Java
// clients stay on the transactions of before KIP-890.

import { kafkaErrors } from "./errors.ts";
import type { AnyHandler, Handler } from "./handler.ts";
import { apiVersions } from "./schema/api-versions.ts";
import type { ResponseOf } from "./schema/notation.ts";

export type ApiVersionsAnswer = ResponseOf<typeof apiVersions>;

export interface ServedApis {
  readonly byKey: ReadonlyMap<number, AnyHandler>;
  /** `errorCode`: why the question itself was not understood. */
  answer(errorCode?: number): ApiVersionsAnswer;
}

/** ApiVersions itself is served always. */
export function serveApis(handlers: readonly AnyHandler[]): ServedApis {
  const apiVersionsHandler: Handler<typeof apiVersions> = { api: apiVersions, handle: () => answer() };
  const byKey: Map<number, AnyHandler> = new Map([[apiVersions.key, apiVersionsHandler]]);
  for (const handler of handlers) {
    const { key, name } = handler.api;
    if (byKey.has(key)) throw new Error(`two handlers for ${name}, API ${key}`);
    byKey.set(key, handler);
  }
  const apiKeys = [...byKey]
    .sort(([one], [other]) => one - other)
    .map(([apiKey, { api }]) => ({ apiKey, minVersion: api.versions[0], maxVersion: api.versions[1] }));

  function answer(errorCode: number = kafkaErrors.NONE.code): ApiVersionsAnswer {
    return { errorCode, apiKeys };
  }
  return { byKey, answer };
}
