// The page's program: brings the timeline of the embedded report to life.
//
// Owns: what the page's buttons do.
// Never: reaches for anything outside the page.

import type { Report } from "../report.ts";
import { createTimeline } from "../timeline.ts";
import { Chart } from "./chart.ts";
import { Details, lineOf } from "./details.ts";

const text = byId("report").textContent ?? "";
const report = JSON.parse(text) as Report;
const timeline = createTimeline(report);
const positions = new Map(report.history.indices.map((index, position) => [index, position]));

const details = new Details(byId("details"), report, (position) => chart.select(position));
const chart = new Chart(
  {
    canvas: byId("lanes") as HTMLCanvasElement,
    overview: byId("overview") as HTMLCanvasElement,
    scroller: byId("scroller"),
    spacer: byId("spacer"),
    tooltip: byId("tooltip"),
  },
  timeline,
  {
    onSelect: (position) => details.show(position),
    describe: (position) => {
      const event = report.history.events[position];
      return event === undefined ? "" : lineOf(event);
    },
  },
);

const acts: Readonly<Record<string, () => void>> = {
  closer: () => chart.zoomBy(2),
  farther: () => chart.zoomBy(0.5),
  earlier: () => chart.panBy(-0.5),
  later: () => chart.panBy(0.5),
  whole: () => chart.reset(),
  download: () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `moldau-check-${report.seed}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  },
  copy: () => void navigator.clipboard.writeText(report.command),
};

for (const button of document.querySelectorAll<HTMLElement>("button[data-act]")) {
  const act = acts[button.dataset.act ?? ""];
  if (act !== undefined) button.addEventListener("click", act);
}
for (const button of document.querySelectorAll<HTMLElement>("button[data-event]")) {
  const position = positions.get(Number(button.dataset.event));
  if (position === undefined) button.hidden = true;
  else
    button.addEventListener("click", () => {
      chart.zoomTo(position);
      byId("timeline").scrollIntoView({ block: "start" });
    });
}
const first = document.querySelector<HTMLElement>("#violations button[data-event]:not([hidden])");
const firstPosition = positions.get(Number(first?.dataset.event ?? -1));
if (firstPosition !== undefined) chart.select(firstPosition);
document.documentElement.dataset.ready = "true";

function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}
