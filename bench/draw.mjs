// Draws: a Vega specification on standard input, an SVG on standard output.
//
// A program of its own beside its packages: vega loads by `import` alone, and what is built into dist/
// would not find it there. harness/chart.ts says what is drawn.
import { text } from "node:stream/consumers";
import { parse, View } from "vega";

const view = new View(parse(JSON.parse(await text(process.stdin))), { renderer: "none" });
process.stdout.write(`${await view.toSVG()}\n`);
