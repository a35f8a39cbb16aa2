import assert from "node:assert/strict";
import test from "node:test";
import { configDefinitions } from "./config-definitions.ts";
import { configNames, parseConfigs } from "./configs.ts";

test("every config is explained, in a sentence of its own kind, with a default that may be set", () => {
  assert.deepEqual([...configDefinitions.keys()], [...configNames]);
  for (const [name, { type, byDefault, documentation }] of configDefinitions) {
    assert.match(documentation, /^.{30,200}\.$/, name);
    assert.equal(parseConfigs({ [name]: byDefault }).get(name), byDefault);
    if (type === "int" || type === "long") assert.match(byDefault, /^-?\d+$/, name);
    if (type === "int") assert.ok(Number(byDefault) < 2 ** 31, name);
  }
});

test("a number that may have 64 bits is a long, and no other is", () => {
  for (const [name, { type }] of configDefinitions) {
    const takes = (value: string): boolean => {
      try {
        return parseConfigs({ [name]: value }).size === 1;
      } catch {
        return false;
      }
    };
    assert.equal(takes("9223372036854775807"), type === "long", name);
    if (type === "string" || type === "list") assert.ok(!takes("1"), name);
  }
});
