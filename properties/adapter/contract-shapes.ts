// The calls of an adapter as data: what each is given, what it answers, and how an answer of another shape is told.
//
// Owns: the table (docs/properties.md prints it), and an adapter that is held to it.
// Never: judges what a log answers: a wrong offset is the checkers' affair, one that is no number is told here.

import {
  anything,
  boolean,
  fields,
  list,
  method,
  number,
  oneOf,
  or,
  type Shape,
  sentence,
  text,
  textOrNull,
  whole,
} from "../shapes.ts";
import type { LogAdapter, Manifest } from "./contract.ts";

/** The adapter, or an answer of it, is not of the contract's shape: nothing can be said of its log. */
export class AdapterShapeError extends TypeError {
  constructor(message: string) {
    super(`${message}; docs/properties.md has the shapes`);
    this.name = "AdapterShapeError";
  }
}

type Method = Exclude<keyof LogAdapter, "name" | "supports">;

interface Call {
  readonly given: string;
  readonly answers: string;
  readonly test: Shape;
  /** What its shape does not say. */
  readonly besides?: string;
  /** Of `supports`, what needs it; absent of what every adapter has, or may have as it likes. */
  readonly promisedBy?: keyof Manifest;
  readonly optional?: true;
}

/** `place` is `{ topic, partition }`. */
export const adapterCalls: Readonly<Record<Method, Call>> = {
  createTopic: { given: "topic, { partitions, configs? }", answers: "nothing", test: anything },
  append: {
    given: "place, [{ value, key?, timestamp }], { acks, producer?, expectedEndOffset? }",
    answers: "{ offsets?: [number], duplicate?: boolean }",
    test: fields({ offsets: or(undefined, list(whole)), duplicate: or(undefined, boolean) }),
  },
  read: {
    given: "place, { offset, maxWaitMs }",
    besides: "at the end: no records, at once or after up to `maxWaitMs`",
    answers: "{ records: [{ offset, timestamp, value, key? }], nextOffset, logStartOffset, highWatermark }",
    test: fields({
      records: list(fields({ offset: whole, timestamp: number, value: textOrNull, key: or(null, text) })),
      ...{ nextOffset: whole, logStartOffset: whole, highWatermark: whole },
    }),
  },
  offsets: {
    given: "place",
    answers: "{ logStartOffset, highWatermark, logEndOffset? }",
    test: fields({ logStartOffset: whole, highWatermark: whole, logEndOffset: or(undefined, whole) }),
  },
  close: { given: "", answers: "nothing", test: anything },
  allocateProducer: {
    ...{ given: "", answers: "{ id, epoch }", promisedBy: "idempotence", optional: true },
    test: fields({ id: whole, epoch: whole }),
  },
  deleteRecords: {
    ...{ given: "place, before", answers: "the new log start offset, a number", promisedBy: "deleteRecords" },
    ...{ optional: true, test: whole },
  },
  lookUp: {
    ...{ given: "place, timestamp", answers: "{ offset, timestamp } or null", promisedBy: "lookUpByTime" },
    ...{ optional: true, test: or(null, fields({ offset: whole, timestamp: number })) },
  },
  listTopics: {
    ...{ given: "", answers: "[{ topic, id? }]", promisedBy: "listTopics", optional: true },
    test: list(fields({ topic: text, id: or(undefined, text) })),
  },
  joinGroup: {
    given: "group, [topic], { revoked(membership, [place]), assigned(membership) }",
    answers: "{ heartbeat(), commit(place, offset, membership), leave() }",
    ...{ promisedBy: "groups", optional: true },
    test: fields({ heartbeat: method, commit: method, leave: method }),
  },
  committed: {
    ...{ given: "group, place", answers: "the offset, a number, or null", promisedBy: "groups", optional: true },
    test: or(null, whole),
  },
  deleteTopic: { given: "topic", answers: "nothing", test: anything, optional: true },
  restart: { given: '"close" or "crash"', answers: "nothing", test: anything, optional: true },
};

const calls = Object.entries(adapterCalls) as (readonly [Method, Call])[];
const manifest = fields({
  acks: list(oneOf("all", "leader", "none")),
  ...{ idempotence: boolean, conditionalAppends: boolean, deleteRecords: boolean },
  groups: oneOf("none", "classic", "consumer"),
  ...{ lookUpByTime: boolean, compaction: boolean, listTopics: boolean, logEnd: boolean },
});
const methods = fields(
  Object.fromEntries(calls.map(([name, { optional }]) => [name, optional === true ? or(undefined, method) : method])),
);

function demandShape(test: Shape, value: unknown, at: string, hint: string): void {
  const wrong = test(value);
  if (wrong !== null) throw new AdapterShapeError(`${sentence(at, wrong)}: ${hint}`);
}

const manifestHint = "write { ...supportsNothing, … } with what the log supports";

export function demandManifest(supports: unknown, at: string): void {
  demandShape(manifest, supports, at, manifestHint);
}

/** `open` of the caller's options, which may be missing as a whole. */
export function demandOpen(caller: string, options: unknown): void {
  const hint = `${caller}({ open: () => adapter, … })`;
  demandShape(fields({ open: method }), options, `what ${caller} is given`, hint);
}

/** The methods that `supports` promises. */
export function promisedMethods(supports: Manifest): readonly Method[] {
  return calls
    .filter(
      ([, { promisedBy }]) =>
        promisedBy !== undefined && supports[promisedBy] !== false && supports[promisedBy] !== "none",
    )
    .map(([name]) => name);
}

/** @throws {AdapterShapeError} for one that has not what its manifest promises. */
export function demandPromised(adapter: LogAdapter): void {
  for (const name of promisedMethods(adapter.supports))
    if (adapter[name] === undefined)
      throw new AdapterShapeError(
        `the adapter has no ${name}, which its supports.${adapterCalls[name].promisedBy} promises`,
      );
}

/**
 * The same adapter; a call that answers in another shape rejects.
 *
 * @throws {AdapterShapeError} when it isn't an adapter at all.
 */
export function heldToShapes(adapter: LogAdapter): LogAdapter {
  const hint = "an adapter has supports, createTopic, append, read, offsets and close";
  demandShape(methods, adapter, "the adapter", hint);
  demandShape(manifest, adapter.supports, "the adapter's supports", manifestHint);
  // Not around the adapter itself: of a frozen one a proxy may not answer with other methods.
  return new Proxy({} as LogAdapter, {
    get(_, name): unknown {
      const own: unknown = Reflect.get(adapter, name, adapter);
      if (typeof own !== "function" || !Object.hasOwn(adapterCalls, name)) return own;
      const call = adapterCalls[name as Method];
      return async (...given: readonly unknown[]): Promise<unknown> => {
        const answer: unknown = await Reflect.apply(own, adapter, given);
        demandShape(call.test, answer, "the answer", `an adapter's ${String(name)}() must answer ${call.answers}`);
        return answer;
      };
    },
  });
}
