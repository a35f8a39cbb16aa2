// Springs shut when a world that runs asks the runtime for time, chance or the outside.
//
// Owns: which globals are trapped. Whoever drives a world (scheduler.ts, world.ts) drains it by the `setImmediate` that
//   it took before any trap was set; nobody else has that one. Beside a test runner, which has timers of its own, only
//   what comes from the engine or from this suite is caught; where nothing else runs, everything is.

type Callable = (...given: unknown[]) => unknown;

/** Web cryptography draws keys, and answers when the runtime's own threads are ready. */
const subtle: object | undefined = globalThis.crypto?.subtle;
const ofSubtle: readonly string[] =
  subtle === undefined
    ? []
    : Object.getOwnPropertyNames(Object.getPrototypeOf(subtle)).filter((name) => name !== "constructor");

const trapped: readonly (readonly [owner: object | undefined, name: string])[] = [
  [Math, "random"],
  [performance, "now"],
  [globalThis, "setTimeout"],
  [globalThis, "setInterval"],
  [globalThis, "setImmediate"],
  [AbortSignal, "timeout"],
  [globalThis, "queueMicrotask"],
  [globalThis, "fetch"],
  [globalThis.crypto, "getRandomValues"],
  [globalThis.crypto, "randomUUID"],
  ...ofSubtle.map((name) => [subtle, name] as const),
];

function comesFromHere(): boolean {
  return /[/\\](engine|properties)[/\\](?!sim[/\\]trap)/.test(new Error().stack ?? "");
}

function replace(owner: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value, configurable: true, writable: true });
  return () => {
    if (before === undefined) delete (owner as Record<string, unknown>)[name];
    else Object.defineProperty(owner, name, before);
  };
}

let isSet = false;

/**
 * Runs a world with the runtime's sources of surprise trapped: what touches one throws there, and, as that may be
 * caught and taken for a failure of the disk, once more at the end.
 */
export async function trapping<T>(
  run: () => Promise<T>,
  options: { readonly besideOthers: boolean } = { besideOthers: true },
): Promise<T> {
  // The first to end would take the traps away from the second, and the second put back the first one's.
  if (isSet) throw new Error("a world runs already: one after the other, or each in a thread of its own");
  isSet = true;
  let sprung: Error | null = null;
  const spring = (name: string): never => {
    sprung ??= new Error(`${name} was called while a world ran: one seed would not give one history any more`);
    throw sprung;
  };
  const isOurs = (): boolean => !options.besideOthers || comesFromHere();
  const restore: (() => void)[] = [];
  for (const [owner, name] of trapped) {
    if (owner === undefined) continue;
    const original = (owner as Record<string, unknown>)[name] as Callable | undefined;
    if (typeof original !== "function") continue;
    const trap = (...given: unknown[]): unknown =>
      isOurs() ? spring(name) : Reflect.apply(original, owner === globalThis ? undefined : owner, given);
    restore.push(replace(owner, name, trap));
  }
  const RealDate = Date;
  const TrappedDate = new Proxy(RealDate, {
    construct: (target, given: unknown[]) =>
      given.length === 0 && isOurs() ? spring("new Date()") : Reflect.construct(target, given),
    apply: () => (isOurs() ? spring("Date()") : RealDate()),
    get: (target, name) =>
      name === "now" ? () => (isOurs() ? spring("Date.now") : RealDate.now()) : Reflect.get(target, name),
  });
  restore.push(replace(globalThis, "Date", TrappedDate));
  try {
    const result = await run();
    if (sprung !== null) throw sprung;
    return result;
  } finally {
    for (const undo of restore) undo();
    isSet = false;
  }
}
