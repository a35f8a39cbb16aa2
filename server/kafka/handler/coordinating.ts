// What the handlers of groups share: whose request it is, how a wait ends, what an error is called,
// and how large an answer may become.
//
// Owns: no API. Never: knows a group; the engine's coordinator does.

import { type GroupClient, MoldauError, toMoldauError } from "../../../engine/index.ts";
import { kafkaErrorCode, kafkaErrors } from "../errors.ts";
import type { Handler, RequestContext } from "../handler.ts";
import type { ApiDefinition } from "../schema/notation.ts";

/** A handler whose failures bear the names that the clients of a coordinator know. */
export function coordinating<Api extends ApiDefinition>(api: Api, handle: Handler<Api>["handle"]): Handler<Api> {
  return {
    api,
    async handle(request, context) {
      try {
        return await handle(request, context);
      } catch (error) {
        throw coordinatorError(error);
      }
    },
  };
}

/** A client of a group looks for its coordinator anew upon this, and on no account for a partition's leader. */
function coordinatorError(thrown: unknown): unknown {
  const { code, message } = toMoldauError(thrown);
  return code === "BROKER_CLOSED" ? new MoldauError("COORDINATOR_NOT_AVAILABLE", message, { cause: thrown }) : thrown;
}

/** 0 without an error. */
export function groupErrorCode(error: MoldauError | undefined): number {
  return error === undefined ? kafkaErrors.NONE.code : kafkaErrorCode(coordinatorError(error));
}

/** Kafka shows an address with a slash before it and without the port. */
export function groupClient({ clientId, client }: RequestContext): Required<GroupClient> {
  return { clientId: clientId ?? "", clientHost: `/${client.address.replace(/:\d+$/, "")}` };
}

/**
 * Ends the wait, not what is waited for, when the connection ends: the member whose connection it was may come back
 * with another, and is let go when its session is over.
 */
export function whileConnected<Result>(waited: Promise<Result>, { signal }: RequestContext): Promise<Result> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(signal.reason);
    const settled = (settle: () => void): void => {
      signal.removeEventListener("abort", gone);
      settle();
    };
    if (signal.aborted) gone();
    else signal.addEventListener("abort", gone, { once: true });
    waited.then(
      (result) => settled(() => resolve(result)),
      (error) => settled(() => reject(error)),
    );
  });
}

/** What one answer may hold, about: a request of a few bytes may ask for all that a thousand groups keep. */
export const maxAnswerBytes: number = 32 * 1024 * 1024;

/** Counts what an answer holds. */
export class AnswerRoom {
  #leftBytes: number = maxAnswerBytes;

  /** False when there is no room: it is to be left out. */
  take(sizeBytes: number): boolean {
    if (sizeBytes > this.#leftBytes) return false;
    this.#leftBytes -= sizeBytes;
    return true;
  }
}

/** The most that a text takes, with its length. */
export function textBytes(text: string | null): number {
  return 5 + 3 * (text?.length ?? 0);
}
