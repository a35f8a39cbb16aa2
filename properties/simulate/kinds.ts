// What a value read from a file has to be, said once for the compiler and for who wrote the file.
//
// Owns: kinds of values, each held to the type that it is for: a word or a member that is added to the type and not to its
//   kind, or the other way round, does not compile.
// Never: knows what the values are for.

/** A kind of value: what is wrong with one that is found at `where`, in a clause, or null. */
export interface Kind<T> {
  wrong(value: unknown, where: string): string | null;
  /** Never there: it makes a kind of some words none of more or of fewer. */
  readonly of?: (one: T) => T;
}

/** A kind of a member that may be left out. */
export interface Optional<T> extends Kind<T> {
  readonly optional: true;
}

/** The kind of each member of T. */
export type Shape<T> = {
  readonly [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? Optional<Exclude<T[K], undefined>> : Kind<T[K]>;
};

/** The one of T whose `do` is D. */
export type Doing<T, D> = T extends { readonly do: infer Own } ? (D extends Own ? T : never) : never;

type Members = Readonly<Record<string, unknown>>;

export const number: Kind<number> = plain((value) => typeof value === "number", "is no number");
export const flag: Kind<boolean> = plain((value) => typeof value === "boolean", "is not true or false");
export const scalar: Kind<string | number> = plain(
  (value) => typeof value === "string" || typeof value === "number",
  "is neither a text nor a number",
);

function plain<T>(is: (value: unknown) => value is T, lacks: string): Kind<T> {
  return { wrong: (value, where) => (is(value) ? null : `'${where}' ${lacks}`) };
}

/** One of the words that are members of `known`. */
export function word<T extends string>(known: Readonly<Record<T, true>>): Kind<T> {
  return {
    wrong: (value, where) => {
      if (typeof value !== "string") return `'${where}' is no text`;
      return Object.hasOwn(known, value) ? null : `'${where}' is ${JSON.stringify(value)}; ${listed(known)}`;
    },
  };
}

export function optional<T>(kind: Kind<T>): Optional<T> {
  return { wrong: kind.wrong, optional: true };
}

/** A number, or one of the words. */
export function numberOr<T extends string>(words: Kind<T>): Kind<number | T> {
  return { wrong: (value, where) => (typeof value === "number" ? null : words.wrong(value, where)) };
}

export function list<T>(kind: Kind<T>): Kind<readonly T[]> {
  return {
    wrong: (value, where) =>
      Array.isArray(value) ? first(value, (one, at) => kind.wrong(one, `${where}[${at}]`)) : `'${where}' is no list`,
  };
}

/** Of any names. */
export function mapOf<T>(kind: Kind<T>): Kind<Readonly<Record<string, T>>> {
  return {
    wrong: (value, where) =>
      isMembers(value)
        ? first(Object.keys(value), (name) => kind.wrong(value[name], `${where}.${name}`))
        : `'${where}' is no object`,
  };
}

export function object<T extends object>(shape: Shape<T>): Kind<T> {
  return {
    wrong: (value, where) => (isMembers(value) ? wrongMember(value, where, shape) : `'${where}' is no object`),
  };
}

/** An object of the shape that its `do` names. */
export function doing<T extends { readonly do: string }>(
  shapes: {
    readonly [D in T["do"]]: Shape<Omit<Doing<T, D>, "do">>;
  },
): Kind<T> {
  return {
    wrong: (value, where) => {
      if (!isMembers(value)) return `'${where}' is no object`;
      const { do: does, ...others } = value;
      if (typeof does !== "string") return `'${where}.do' is no text`;
      if (!Object.hasOwn(shapes, does)) return `'${where}.do' is ${JSON.stringify(does)}; ${listed(shapes)}`;
      return wrongMember(others, where, shapes[does as T["do"]]);
    },
  };
}

function wrongMember(value: Members, where: string, shape: object): string | null {
  const kinds = Object.entries(shape as Readonly<Record<string, Kind<unknown> | Optional<unknown>>>);
  return (
    first(kinds, ([name, kind]) =>
      value[name] === undefined && "optional" in kind ? null : kind.wrong(value[name], `${where}.${name}`),
    ) ??
    first(Object.keys(value), (name) =>
      Object.hasOwn(shape, name) ? null : `'${where}.${name}' means nothing; ${listed(shape)}`,
    )
  );
}

function listed(known: object): string {
  return `known are ${Object.keys(known).join(", ")}`;
}

function first<T>(all: readonly T[], wrong: (one: T, at: number) => string | null): string | null {
  for (const [at, one] of all.entries()) {
    const what = wrong(one, at);
    if (what !== null) return what;
  }
  return null;
}

export function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
