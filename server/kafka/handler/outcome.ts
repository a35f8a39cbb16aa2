// What each thing that an admin request names gets: a code of Kafka's, and why in words.
//
// Owns: the two fields that admin answers have for it; that everything named is answered once, and
//   refused when it is named twice; how much one request may name.
// Never: decides what else is refused (the handlers, and the engine).

import { MoldauError, toMoldauError } from "../../../engine/index.ts";
import { type KafkaErrorName, kafkaErrorCode, kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";

export interface Outcome {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

export const done: Outcome = { errorCode: kafkaErrors.NONE.code, errorMessage: null };

/** Topics, partitions or resources that one request may name: with the words of its errors an answer may be much longer than it. */
export const maxNamed = 10_000;
const maxMessageLength = 1000;

/** For what only a Kafka client can ask for, so that the engine has no name for the error. */
export class Refusal extends Error {
  readonly kafkaName: KafkaErrorName;

  constructor(kafkaName: KafkaErrorName, message: string) {
    super(message);
    this.name = "Refusal";
    this.kafkaName = kafkaName;
  }
}

/** Of what was thrown. What nobody foresaw is logged. */
export function outcomeOf(thrown: unknown, { logger }: Pick<KafkaFace, "logger">): Outcome {
  if (thrown instanceof Refusal) {
    return { errorCode: kafkaErrors[thrown.kafkaName].code, errorMessage: shortened(thrown.message) };
  }
  const { code, message } = toMoldauError(thrown);
  if (code === "UNKNOWN_SERVER_ERROR") {
    const stack = thrown instanceof Error ? (thrown.stack ?? null) : null;
    logger.log("error", `an admin request failed: ${message}`, { stack });
  }
  return { errorCode: kafkaErrorCode(thrown), errorMessage: shortened(message) };
}

/** INVALID_REQUEST for a request that names more than can be answered in bounded memory. */
export function checkNamed(count: number, what: string): void {
  if (count <= maxNamed) return;
  throw new MoldauError("INVALID_REQUEST", `${count} ${what} in one request: the most is ${maxNamed}`);
}

interface Answering<Item, Answer> {
  /** "topics", "resources". */
  readonly what: string;
  readonly items: readonly Item[];
  /** "topic 'x'": what is told to people, and two items of one name are refused. */
  nameOf(item: NoInfer<Item>): string;
  /** All of them begin before the first is awaited. */
  answer(item: Item): Answer | Promise<Answer>;
  refused(item: Item, outcome: Outcome): Answer;
}

/** One answer for each name, in the order of their first coming. */
export function answerEach<Item, Answer>(
  face: Pick<KafkaFace, "logger">,
  { what, items, nameOf, answer, refused }: Answering<Item, Answer>,
): Promise<Answer[]> {
  checkNamed(items.length, what);
  const byName: Map<string, { readonly item: Item; count: number }> = new Map();
  for (const item of items) {
    const named = byName.get(nameOf(item));
    if (named === undefined) byName.set(nameOf(item), { item, count: 1 });
    else named.count += 1;
  }
  return Promise.all(
    [...byName].map(async ([name, { item, count }]) => {
      try {
        if (count > 1) throw new Refusal("INVALID_REQUEST", `${name} is in the request ${count} times`);
        return await answer(item);
      } catch (error) {
        return refused(item, outcomeOf(error, face));
      }
    }),
  );
}

/** It may quote what the client sent, and a string on the wire is bounded. */
function shortened(message: string): string {
  return message.length > maxMessageLength ? `${message.slice(0, maxMessageLength)}...` : message;
}
