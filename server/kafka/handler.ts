// What answers the requests of one API.
//
// Owns: the contract between a connection and its handlers: types only.
// Never: an implementation; those are handler/*.ts, one an API.
//
//   export function produceHandler(broker: Broker): Handler<typeof produce> {
//     return {
//       api: produce,
//       async handle(request, { version }) { ... return { responses } },
//     };
//   }

import type { ApiDefinition, RequestOf, ResponseOf } from "./schema/notation.ts";

/** One and the same object for all requests of a connection. */
export interface Client {
  /** As it is shown to people and told to groups: "127.0.0.1:51234". */
  readonly address: string;
  /** The address at which it reached us. */
  readonly reached?: { readonly host: string; readonly port: number };
}

export interface RequestContext {
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly client: Client;
  /** Aborts when the connection ends, or the broker is about to: whoever waits answers with what there is. */
  readonly signal: AbortSignal;
  /**
   * Calls back once: when the answer's last byte has left, or never will, so that memory lent to it
   * may be used again. Not after `handle` has returned.
   */
  onSent(run: () => void): void;
}

/**
 * `handle` is called in the order of the requests, and not again for a connection's next one until
 * it has returned; what it awaits, later requests overtake. So what must keep their order, such as
 * appends to a partition, begins before the first await. Answers leave in order whatever happens.
 *
 * Null is no answer: a produce with acks 0. What is thrown becomes the error code of the API's
 * answer (error-answer.ts). Record batches in the request are views on memory that is the
 * handler's until it has answered; those in its answer are lent until `onSent`.
 */
export interface Handler<Api extends ApiDefinition> {
  readonly api: Api;
  handle(request: RequestOf<Api>, context: RequestContext): ResponseOf<Api> | null | Promise<ResponseOf<Api> | null>;
}

/** A handler of whichever API. */
export interface AnyHandler {
  readonly api: ApiDefinition;
  handle(request: never, context: RequestContext): unknown;
}
