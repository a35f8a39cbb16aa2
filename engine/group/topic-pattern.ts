// Regular expressions of topic names, matched in time that is linear in the name.
//
// Kafka hands SubscribedTopicRegex to RE2, which never looks back. JavaScript's RegExp does: to a
// name of 30 letters `(a+)+b` already costs it seconds. So this is an automaton (Thompson's), which
// holds all the ways to match at once: limits.maxTopicPatternStates steps a character at most.
//
//   expression   branch | branch        branch   piece piece ...
//   piece        atom * + ? {n} {n,} {n,m}, each also with ? behind it (laziness changes no match)
//   atom         x  .  [a-z_]  [^a-z]  [[:alpha:]]  \d \w \s \D \W \S  \.  (expression)  (?:expression)  ^ $
//
// Owns: what is read of RE2's syntax, and the bounds. Never: looks at topics (consumer-group.ts).
//
// The whole name must match, as in Kafka. `^` and `$` match at its ends. What RE2 also knows and
// this does not (flags, names, \b, \p{..}) is INVALID_REGULAR_EXPRESSION, never another meaning.

import { MoldauError } from "../errors.ts";
import { maxTopicPatternLength, maxTopicPatternStates } from "../limits.ts";

type Test = (code: number) => boolean;

type Node =
  | { readonly kind: "empty" }
  | { readonly kind: "character"; readonly test: Test }
  | { readonly kind: "start" }
  | { readonly kind: "end" }
  | { readonly kind: "sequence"; readonly nodes: readonly Node[] }
  | { readonly kind: "choice"; readonly nodes: readonly Node[] }
  | { readonly kind: "repeat"; readonly node: Node; readonly least: number; readonly most: number };

/** A state: a test that leads to `next`, or ways on without a character. */
interface State {
  readonly test: Test | null;
  readonly at: "anywhere" | "start" | "end";
  readonly next: number[];
}

export interface TopicPattern {
  readonly source: string;
  matches(name: string): boolean;
}

/** Throws INVALID_REGULAR_EXPRESSION for what cannot be read, and for what is too long or too large. */
export function compileTopicPattern(source: string): TopicPattern {
  if (source.length > maxTopicPatternLength) {
    throw invalid(source, `it has ${source.length} characters, at most ${maxTopicPatternLength} are taken`);
  }
  const states = new Builder(source).build(new Parser(source).parse());
  return { source, matches: (name) => matches(states, name) };
}

function invalid(source: string, problem: string): MoldauError {
  const shown = source.length > 80 ? `${source.slice(0, 80)}...` : source;
  return new MoldauError("INVALID_REGULAR_EXPRESSION", `'${shown}' is no expression of topics: ${problem}`);
}

const isDigit: Test = (code) => code >= 48 && code <= 57;
const isLower: Test = (code) => code >= 97 && code <= 122;
const isUpper: Test = (code) => code >= 65 && code <= 90;
const isWord: Test = (code) => isDigit(code) || isLower(code) || isUpper(code) || code === 95;
const isSpace: Test = (code) => code === 32 || (code >= 9 && code <= 13);
const classes: Readonly<Record<string, Test>> = {
  d: isDigit,
  w: isWord,
  s: isSpace,
  D: (code) => !isDigit(code),
  W: (code) => !isWord(code),
  S: (code) => !isSpace(code),
};
const namedClasses: Readonly<Record<string, Test>> = {
  alnum: (code) => isDigit(code) || isLower(code) || isUpper(code),
  alpha: (code) => isLower(code) || isUpper(code),
  digit: isDigit,
  lower: isLower,
  upper: isUpper,
  word: isWord,
};
const escapedSigns = new Set("\\.+*?()|[]{}^$-_/\"'#&~!@%,:;<>= ".split(""));
const maxDepth = 32;
const maxBuildSteps = 8 * maxTopicPatternStates;

class Parser {
  readonly #source: string;
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): Node {
    const node = this.#choice();
    if (this.#at < this.#source.length) throw this.#fault("')' without '('");
    return node;
  }

  #fault(problem: string): MoldauError {
    return invalid(this.#source, `${problem} at character ${this.#at + 1}`);
  }

  #peek(): string {
    return this.#source[this.#at] ?? "";
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #choice(): Node {
    if ((this.#depth += 1) > maxDepth) throw this.#fault(`more than ${maxDepth} groups in each other`);
    const nodes = [this.#sequence()];
    while (this.#take("|")) nodes.push(this.#sequence());
    this.#depth -= 1;
    return nodes.length === 1 ? nodes[0]! : { kind: "choice", nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#source.length && this.#peek() !== "|" && this.#peek() !== ")") nodes.push(this.#piece());
    return nodes.length === 1 ? nodes[0]! : { kind: "sequence", nodes };
  }

  #piece(): Node {
    const node = this.#atom();
    const bounds = this.#bounds();
    if (bounds === null) return node;
    this.#take("?");
    if ("*+?".includes(this.#peek()) && this.#peek() !== "") throw this.#fault("a repetition of a repetition");
    return { kind: "repeat", node, ...bounds };
  }

  #bounds(): { readonly least: number; readonly most: number } | null {
    if (this.#take("*")) return { least: 0, most: Number.POSITIVE_INFINITY };
    if (this.#take("+")) return { least: 1, most: Number.POSITIVE_INFINITY };
    if (this.#take("?")) return { least: 0, most: 1 };
    const counts = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(this.#source.slice(this.#at, this.#at + 11));
    if (counts === null) {
      if (this.#peek() === "{") throw this.#fault("a '{' that counts nothing");
      return null;
    }
    this.#at += counts[0].length;
    const least = Number(counts[1]);
    const most = counts[2] === undefined ? least : counts[3] === "" ? Number.POSITIVE_INFINITY : Number(counts[3]);
    if (most < least) throw this.#fault(`at most ${most} and at least ${least} times`);
    return { least, most };
  }

  #atom(): Node {
    if (this.#take("(?:") || (this.#peek() === "(" && this.#source[this.#at + 1] !== "?" && this.#take("("))) {
      const node = this.#choice();
      if (!this.#take(")")) throw this.#fault("'(' without ')'");
      return node;
    }
    if (this.#peek() === "(") throw this.#fault("'(?' with something other than ':'");
    if (this.#take("^")) return { kind: "start" };
    if (this.#take("$")) return { kind: "end" };
    if (this.#take(".")) return { kind: "character", test: () => true };
    if (this.#take("[")) return { kind: "character", test: this.#set() };
    if (this.#take("\\")) {
      if (this.#take("A")) return { kind: "start" };
      if (this.#take("z")) return { kind: "end" };
      return { kind: "character", test: this.#escape() };
    }
    if ("*+?{".includes(this.#peek())) throw this.#fault(`nothing that '${this.#peek()}' repeats`);
    return { kind: "character", test: same(this.#character()) };
  }

  #character(): number {
    const code = this.#source.charCodeAt(this.#at);
    this.#at += 1;
    return code;
  }

  #escape(): Test {
    const sign = this.#peek();
    const test = classes[sign];
    if (test === undefined && !escapedSigns.has(sign)) throw this.#fault(`'\\${sign}', which is not known here,`);
    this.#at += 1;
    return test ?? same(sign.charCodeAt(0));
  }

  #set(): Test {
    const isNegated = this.#take("^");
    const tests: Test[] = [];
    // A ']' that comes first stands for itself.
    do {
      if (this.#at >= this.#source.length) throw this.#fault("'[' without ']'");
      tests.push(this.#member());
    } while (!this.#take("]"));
    const inSet: Test = (code) => tests.some((test) => test(code));
    return isNegated ? (code) => !inSet(code) : inSet;
  }

  #member(): Test {
    if (this.#take("[:")) {
      const name = /^[a-z]{1,8}(?=:\])/.exec(this.#source.slice(this.#at, this.#at + 10))?.[0] ?? "";
      const test = namedClasses[name];
      if (test === undefined) throw this.#fault("a class that is not known here");
      this.#at += name.length + 2;
      return test;
    }
    const low = this.#setSign();
    if (typeof low === "function") return low;
    if (this.#peek() !== "-" || this.#source[this.#at + 1] === "]" || this.#at + 1 >= this.#source.length) {
      return same(low);
    }
    this.#at += 1;
    const high = this.#setSign();
    if (typeof high === "function" || high < low) throw this.#fault("a range that ends before it begins");
    return (code) => code >= low && code <= high;
  }

  #setSign(): Test | number {
    if (!this.#take("\\")) return this.#character();
    const sign = this.#peek();
    const test = this.#escape();
    return classes[sign] === undefined ? sign.charCodeAt(0) : test;
  }
}

function same(wanted: number): Test {
  return (code) => code === wanted;
}

/** From the end backwards: each node is built with the state that follows it. State 0 is the end. */
class Builder {
  readonly #source: string;
  readonly #states: State[] = [{ test: null, at: "anywhere", next: [] }];
  #steps = 0;

  constructor(source: string) {
    this.#source = source;
  }

  build(node: Node): { readonly states: readonly State[]; readonly first: number } {
    const first = this.#node(node, 0);
    return { states: this.#states, first };
  }

  #add(test: Test | null, at: State["at"], next: number[]): number {
    if (this.#states.length >= maxTopicPatternStates) {
      throw invalid(this.#source, `it needs more than ${maxTopicPatternStates} states: repeat less`);
    }
    return this.#states.push({ test, at, next }) - 1;
  }

  #node(node: Node, next: number): number {
    // What is repeated may have no states at all: ((){999}){999}.
    if ((this.#steps += 1) > maxBuildSteps) throw invalid(this.#source, "it repeats too much");
    switch (node.kind) {
      case "empty":
        return next;
      case "character":
        return this.#add(node.test, "anywhere", [next]);
      case "start":
      case "end":
        return this.#add(null, node.kind, [next]);
      case "sequence":
        return node.nodes.reduceRight((after, one) => this.#node(one, after), next);
      case "choice":
        return this.#add(
          null,
          "anywhere",
          node.nodes.map((one) => this.#node(one, next)),
        );
      case "repeat":
        return this.#repeat(node.node, node.least, node.most, next);
    }
  }

  #repeat(node: Node, least: number, most: number, next: number): number {
    let first = next;
    if (most === Number.POSITIVE_INFINITY) {
      const loop = this.#add(null, "anywhere", [next]);
      this.#states[loop]!.next.push(this.#node(node, loop));
      first = loop;
    } else {
      for (let more = most - least; more > 0; more -= 1) {
        first = this.#add(null, "anywhere", [next, this.#node(node, first)]);
      }
    }
    for (let left = least; left > 0; left -= 1) first = this.#node(node, first);
    return first;
  }
}

function matches(
  { states, first }: { readonly states: readonly State[]; readonly first: number },
  name: string,
): boolean {
  let current: number[] = [];
  const seen = new Int32Array(states.length).fill(-1);
  const reach = (start: number, at: number, into: number[]): void => {
    const waiting = [start];
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      if (seen[one] === at) continue;
      const state = states[one]!;
      if ((state.at === "start" && at !== 0) || (state.at === "end" && at !== name.length)) continue;
      seen[one] = at;
      into.push(one);
      if (state.test === null) waiting.push(...state.next);
    }
  };
  reach(first, 0, current);
  for (let at = 0; at < name.length; at += 1) {
    const code = name.charCodeAt(at);
    const after: number[] = [];
    for (const one of current) {
      const state = states[one]!;
      if (state.test?.(code)) reach(state.next[0]!, at + 1, after);
    }
    if (after.length === 0) return false;
    current = after;
  }
  return current.includes(0);
}
