// The contract for adapters, one test a case: `node --test contract.mjs`. Another runner takes the same list.
import { test } from "node:test";
import { contractCases, supportsNothing } from "moldau/properties";
import { SimpleLog } from "./simple-log.mjs"; // which is checked on the way

const supports = { ...supportsNothing, conditionalAppends: true, lookUpByTime: true };
for (const { name, run } of contractCases({ open: () => new SimpleLog(), supports, restarts: true })) test(name, run);
