// The curves as a picture.
//
// Owns: what is drawn, as a specification for Vega, which draws it: a panel for each unit of each
//   benchmark, both axes logarithmic, since growth is what is looked at.
// Never: places a line or a letter itself.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Curve, SubjectRuntime } from "./benchmark.ts";
import type { Result } from "./report.ts";

const panel = { width: 270, height: 190 };
/** Distinct also to eyes that see few colours (Okabe and Ito). */
const colours = ["#0072B2", "#D55E00", "#009E73"];

/** An SVG of the curves in these results. `runtime` runs bench/draw.mjs. */
export function drawCurves(
  results: readonly Result[],
  title: string,
  root: string,
  runtime: Pick<SubjectRuntime, "command" | "arguments">,
): string {
  const panels = results.filter(({ curves }) => curves.length > 0);
  if (panels.length === 0) throw new Error("nothing that was measured has a curve");
  return execFileSync(runtime.command, [...runtime.arguments, join(root, "bench/draw.mjs")], {
    input: JSON.stringify(specificationOf(panels, title)),
    encoding: "utf8",
  });
}

export function specificationOf(results: readonly Pick<Result, "name" | "curves">[], title: string): object {
  return {
    $schema: "https://vega.github.io/schema/vega/v6.json",
    background: "white",
    padding: 12,
    title: { text: title, anchor: "start", offset: 16, fontSize: 13 },
    layout: { columns: 3, padding: { column: 44, row: 40 }, bounds: "full", align: "each" },
    marks: results.map(panelOf),
  };
}

function panelOf({ name, curves }: Pick<Result, "name" | "curves">, index: number): object {
  const { x, y } = curves[0] as Curve;
  const data = `panel${index}`;
  const place = { x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" } };
  const colour = { scale: "colour", field: "curve" };
  return {
    type: "group",
    encode: { update: { width: { value: panel.width }, height: { value: panel.height } } },
    title: { text: name, anchor: "start", fontWeight: "normal", fontSize: 12, offset: 8 },
    data: [
      {
        name: data,
        values: curves.flatMap((curve) => curve.points.map((point) => ({ ...point, curve: curve.name }))),
      },
    ],
    scales: [
      { name: "x", type: "log", domain: { data, field: "x" }, range: [0, panel.width] },
      { name: "y", type: "log", domain: domainOf(curves), range: [panel.height, 0] },
      { name: "colour", type: "ordinal", domain: curves.map((curve) => curve.name), range: colours },
    ],
    axes: [
      {
        orient: "bottom",
        scale: "x",
        title: x,
        format: ",~s",
        values: powersWithin(curves.flatMap(placesOf)),
        titlePadding: 6,
      },
      { orient: "left", scale: "y", title: y, format: ",~s", grid: true, gridOpacity: 0.5, tickCount: 4 },
    ],
    legends:
      curves.length > 1
        ? [{ stroke: "colour", symbolType: "stroke", symbolStrokeWidth: 2, orient: "bottom", direction: "horizontal" }]
        : [],
    marks: [
      {
        type: "group",
        from: { facet: { name: `${data}-curve`, data, groupby: "curve" } },
        marks: [
          {
            type: "line",
            from: { data: `${data}-curve` },
            encode: { update: { ...place, stroke: colour, strokeWidth: { value: 2 } } },
          },
          {
            type: "symbol",
            from: { data: `${data}-curve` },
            encode: { update: { ...place, fill: colour, size: { value: 28 } } },
          },
        ],
      },
    ],
  };
}

function placesOf({ points }: Curve): number[] {
  return points.map(({ x }) => x);
}

/** Whole powers of ten around all heights, and at least two of them. */
function domainOf(curves: readonly Curve[]): readonly [number, number] {
  const heights = curves.flatMap(({ points }) => points.map(({ y }) => y));
  const low = 10 ** Math.floor(Math.log10(Math.min(...heights)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...heights)));
  return [low, Math.max(high, low * 100)];
}

function powersWithin(places: readonly number[]): number[] {
  const [least, most] = [Math.min(...places), Math.max(...places)];
  const powers: number[] = [];
  for (let power = 1; power <= most; power *= 10) if (power >= least) powers.push(power);
  return powers;
}
