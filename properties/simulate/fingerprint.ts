// `node properties/simulate/fingerprint.ts --plans N --seed S`: what each of some plans does, as hex.
//
// Owns: the lines by which runtimes are compared: a plan's number, its trace, its history.
// Never: compares (.ci/determinism.mjs does); the same plan is run twice here, and must be the same.

import { parseArgs } from "node:util";
import { mix } from "../random.ts";
import { simulate } from "../sim/simulation.ts";
import { trapping } from "../sim/trap.ts";
import { plansOf } from "./seeds.ts";

const { values } = parseArgs({
  options: { plans: { type: "string", default: "30" }, seed: { type: "string", default: "20261126" } },
});

function hashOf(text: string): string {
  let [high, low] = [0x811c9dc5, 0x9e3779b9];
  for (let at = 0; at < text.length; at++) {
    high = Math.imul(high ^ text.charCodeAt(at), 0x01000193) >>> 0;
    low = mix(low, text.charCodeAt(at));
  }
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

for (const [number, plan] of plansOf(Number(values.seed), Number(values.plans)).entries()) {
  const seen: string[] = [];
  for (let again = 0; again < 2; again++) {
    const { lines, history, fingerprint } = await trapping(() => simulate(plan, { keepsLines: true, judged: false }), {
      besideOthers: false,
    });
    seen.push(`${fingerprint} ${hashOf(lines.join("\n"))} ${hashOf(JSON.stringify(history))} ${history.length}`);
  }
  if (seen[0] !== seen[1]) {
    console.error(`plan ${number}: the same plan twice gave\n${seen.join("\n")}`);
    process.exitCode = 1;
  }
  console.log(`${number} ${seen[0]}`);
}
