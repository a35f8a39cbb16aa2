import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { codeOf } from "./group.test.support.ts";
import { compileTopicPattern } from "./topic-pattern.ts";

const topicName = fc.string({ unit: fc.constantFrom(..."abc-_.1".split("")), maxLength: 8 });

const atom = fc.constantFrom(
  "a",
  "b",
  "c",
  "\\.",
  "-",
  ".",
  "[ab]",
  "[^a-b]",
  "\\d",
  "\\w",
  "[\\d_]",
  "[[:alpha:]]",
  "[]a]",
);
const { expression } = fc.letrec<{ expression: string; piece: string }>((tie) => ({
  piece: fc.oneof(
    { maxDepth: 3 },
    atom,
    fc
      .tuple(atom, fc.constantFrom("*", "+", "?", "*?", "{2}", "{1,}", "{0,2}", "{1,3}?"))
      .map(([one, many]) => one + many),
    fc
      .tuple(tie("expression"), fc.constantFrom("", "*", "+", "?", "{1,2}"))
      .map(([inner, many]) => `(${inner})${many}`),
    fc.tuple(tie("expression"), tie("expression")).map(([one, other]) => `(?:${one}|${other})`),
  ),
  expression: fc.array(tie("piece"), { maxLength: 4 }).map((pieces) => pieces.join("")),
}));

test("matches what JavaScript's RegExp matches, of whole names", () => {
  let matched = 0;
  let passed = 0;
  fc.assert(
    fc.property(expression, fc.array(topicName, { minLength: 5, maxLength: 5 }), (source, names) => {
      const javascript = source.replaceAll("[[:alpha:]]", "[a-zA-Z]").replaceAll("[]a]", "[\\]a]");
      const reference = new RegExp(`^(?:${javascript})$`);
      let pattern: ReturnType<typeof compileTopicPattern>;
      try {
        pattern = compileTopicPattern(source);
      } catch (error) {
        // Repetitions of repetitions multiply.
        assert.match(String(error), /states|characters/);
        return;
      }
      for (const name of names) {
        const expected = reference.test(name);
        assert.equal(pattern.matches(name), expected, `${source} on '${name}'`);
        if (expected) matched += 1;
        else passed += 1;
      }
    }),
    { numRuns: 2000, seed: 11 },
  );
  assert.ok(matched > 500 && passed > 2000, `${matched} matched, ${passed} not`);
});

test("reads what people write about topics", () => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ["orders", ["orders"], ["orders2", "my-orders", ""]],
    ["orders.*", ["orders", "orders-eu"], ["my-orders"]],
    ["^orders-(eu|us)$", ["orders-eu", "orders-us"], ["orders-uk"]],
    ["[a-z]+\\.v[0-9]{1,2}", ["a.v1", "ab.v12"], ["a.v123", "aXv1"]],
    ["(?:a|b)*?c+", ["c", "abcc"], ["ab"]],
    ["\\Aa\\z", ["a"], ["b"]],
    ["a|", ["a", ""], ["b"]],
    ["(^a|b)c", ["ac", "bc"], ["c"]],
    ["a(^b)", [], ["ab"]],
    ["[\\w-]+", ["a-b_1"], ["a.b"]],
    ["[a\\-z]", ["a", "-", "z"], ["b"]],
    ["[-a]", ["-", "a"], ["b"]],
    ["[a-]", ["-", "a"], ["b"]],
    ["(a*)*", ["", "aaa"], ["b"]],
    ["(a|aa)+$", ["aaa"], ["ab"]],
  ];
  for (const [source, yes, no] of cases) {
    const pattern = compileTopicPattern(source);
    for (const name of yes) assert.ok(pattern.matches(name), `${source} on '${name}'`);
    for (const name of no) assert.ok(!pattern.matches(name), `${source} on '${name}'`);
  }
});

test("what it does not know is refused, never taken for something else", async () => {
  const bad = [
    "(",
    ")",
    "a)",
    "[a",
    "[z-a]",
    "*a",
    "a**",
    "a{2",
    "a{,2}",
    "{2}",
    "a{3,2}",
    "\\b",
    "\\pL",
    "\\",
    "(?i)a",
  ];
  for (const source of [
    ...bad,
    "(?P<x>a)",
    "[[:nope:]]",
    "a{1000}",
    "(((){999}){999}){999}",
    "x".repeat(257),
    "(".repeat(40) + ")".repeat(40),
  ]) {
    assert.equal(await codeOf(() => compileTopicPattern(source)), "INVALID_REGULAR_EXPRESSION", source);
  }
});

test("no expression costs more than its states times the name", () => {
  // To RegExp the first of these is hopeless already at 40 letters.
  for (const source of ["(a+)+b", "(a|a)*b", "(.*)*(.*)*b", "(a*)*(a*)*(a*)*b", "(((a?){10}){10})"]) {
    const pattern = compileTopicPattern(source);
    const started = performance.now();
    for (let run = 0; run < 100; run += 1) pattern.matches(`${"a".repeat(248)}c`);
    assert.ok(performance.now() - started < 3000, source);
  }
});
