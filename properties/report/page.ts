// The report as one HTML page that needs nothing else: readable without its script, which draws the timeline.
//
// Owns: the page's words and their order: the verdict first, then what is violated, then what happened.
// Never: reaches the network, and can't: its Content-Security-Policy allows nothing but what it carries. What a
//   log answered goes in as text.

import type { HistoryEvent } from "../history.ts";
import { type DownTime, downTimes } from "./lives.ts";
import { pageScript, pageScriptHash, pageStyle, pageStyleHash } from "./page.generated.ts";
import type { Report } from "./report.ts";
import { isToldByFault, signOf } from "./timeline.ts";

/** Of the invariants that are violated: one loss breaks many, and the timeline is to be seen at a glance. */
const openCards = 3;

export function reportPage(report: Report): string {
  const { verdict, target, seed } = report;
  const title = `${verdict.holds ? "Holds" : "Violated"}: ${target}, seed ${seed}`;
  const policy = `default-src 'none'; script-src '${pageScriptHash}'; style-src '${pageStyleHash}'; img-src data:; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<link rel="icon" href="data:,">
<title>${escape(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
${headerOf(report)}
<main>
${verdict.holds ? "" : violationsOf(report)}
${timelineOf(report)}
${checkedOf(report)}
<div class="tables">
${faultsOf(report)}
${coverageOf(report)}
</div>
${againOf(report)}
</main>
<script type="application/json" id="report">${embedded(report)}</script>
<script>${pageScript}</script>
</body>
</html>
`;
}

function headerOf({ verdict, target, seed, seconds, startedAt, tool, notes, history }: Report): string {
  const names = [...new Set(verdict.violations.map(({ invariant }) => invariant))];
  const words = verdict.holds
    ? `All ${verdict.checked.length} invariants that this run could show hold for everything that was seen.`
    : `${names.length === 1 ? "An invariant is" : `${names.length} invariants are`} violated: ${names.slice(0, openCards).join("; ")}${names.length > openCards ? "; and more" : ""}`;
  const facts: readonly (readonly [string, string])[] = [
    ["target", target],
    ["seed", String(seed)],
    ["operations", grouped(verdict.operations)],
    ["events", grouped(verdict.events)],
    ["faults", faultsText(history.events)],
    ["took", `${seconds.toFixed(1)} s`],
    ["started", startedAt],
    ["by", `moldau ${tool.moldau} on ${tool.runtime}`],
  ];
  return `<header class="${verdict.holds ? "holds" : "violated"}">
<h1 id="verdict">${verdict.holds ? "✔ Holds" : "✘ Violated"}</h1>
<p>${escape(words)}</p>
${notes.map((note) => `<p>${escape(note)}</p>`).join("\n")}
<dl class="facts">${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escape(value)}</dd></div>`).join("")}</dl>
</header>`;
}

/** One card an invariant, with the first of its messages open; the one that showed first comes first. */
function violationsOf({ verdict, history }: Report): string {
  const byInvariant = new Map<string, Report["verdict"]["violations"][number][]>();
  for (const violation of verdict.violations) {
    byInvariant.set(violation.invariant, [...(byInvariant.get(violation.invariant) ?? []), violation]);
  }
  const kept = new Set(history.indices);
  const buttons = (events: readonly number[]): string =>
    events
      .filter((index) => kept.has(index))
      .slice(0, 12)
      .map(
        (index, nth) =>
          `<button type="button" data-event="${index}">${nth === 0 ? "▼ show it: " : ""}event ${index}</button>`,
      )
      .join(" ");
  const firstOf = (found: Report["verdict"]["violations"]): number =>
    Math.min(...found.map(({ events }) => events[0] ?? Number.POSITIVE_INFINITY));
  const inOrder = [...byInvariant].sort(([, one], [, other]) => {
    const [earlier, later] = [firstOf(one), firstOf(other)];
    return earlier === later ? 0 : earlier - later;
  });
  const cards = inOrder.map(([invariant, found]) => {
    const messages = found.map(
      ({ message, log, events }) =>
        `<p class="message">${escape(log === undefined || message.includes(log) ? message : `${log}: ${message}`)}</p><p>${buttons(events)}</p>`,
    );
    const more =
      messages.length > 1
        ? `<details><summary>${messages.length - 1} more of the same</summary>${messages.slice(1).join("")}</details>`
        : "";
    return `<article class="card violation">
<h3>${escape(invariant)}</h3>
<p class="source">found to matter by: ${escape(found[0]?.source ?? "")}</p>
${messages[0]}${more}
</article>`;
  });
  const rest = cards.slice(openCards);
  const folded =
    rest.length === 0
      ? ""
      : `<details><summary>${rest.length} more invariants are violated</summary>${rest.join("\n")}</details>`;
  return `<section id="violations"><h2>What is violated</h2>\n${cards.slice(0, openCards).join("\n")}${folded}</section>`;
}

function timelineOf({ history }: Report): string {
  const buttons: readonly (readonly [string, string])[] = [
    ["closer", "closer +"],
    ["farther", "farther −"],
    ["earlier", "◀ earlier"],
    ["later", "later ▶"],
    ["whole", "the whole run"],
  ];
  return `<section id="timeline"><h2>Timeline</h2>
<div class="bar">
${buttons.map(([act, label]) => `<button type="button" data-act="${act}">${label}</button>`).join("")}
<ul class="legend" aria-label="Legend">
<li>${sign('<rect x="3" y="3" width="18" height="10" fill="var(--ok)"/>')} ok</li>
<li>${sign('<rect x="2" y="4" width="14" height="8" fill="none" stroke="var(--fail)" stroke-width="1.5"/><path d="M12 4l8 8M20 4l-8 8" stroke="var(--fail)" stroke-width="2"/>')} fail: had no effect</li>
<li>${sign('<rect x="2" y="4" width="14" height="8" fill="none" stroke="var(--info)" stroke-width="1.5" stroke-dasharray="3 2"/><path d="M16 2l5 10h-10z" fill="var(--info)"/>')} info: nobody knows</li>
<li>${sign('<circle cx="12" cy="8" r="3" fill="var(--note)"/>')} seen</li>
<li>${sign('<rect x="4" y="0" width="16" height="16" fill="var(--down)"/>')} down</li>
<li>${sign('<path d="M12 2v14" stroke="var(--fault)" stroke-dasharray="3 2"/><path d="M12 0l5 5-5 5-5-5z" fill="var(--fault)"/>')} fault</li>
<li>${sign('<path d="M6 0h12l-6 7z" fill="var(--violation)"/><rect x="4" y="8" width="16" height="7" rx="3" fill="none" stroke="var(--violation)" stroke-width="2"/>')} named by a violation</li>
</ul>
</div>
<div class="picture">
<div class="card lanes">
<canvas id="overview" aria-hidden="true"></canvas>
<div class="stage">
<div id="scroller"><div id="spacer"></div>
<canvas id="lanes" tabindex="0" role="application" aria-label="Timeline of the operations, a lane for each process of each partition" aria-describedby="keys"></canvas></div>
<div id="tooltip" role="tooltip" hidden></div>
</div>
<p class="keys" id="keys"><kbd>←</kbd> <kbd>→</kbd> operation, <kbd>↑</kbd> <kbd>↓</kbd> lane, <kbd>v</kbd> next one that a violation names, <kbd>+</kbd> <kbd>−</kbd> closer and farther (or Ctrl and the wheel), <kbd>Shift</kbd> <kbd>←</kbd> <kbd>→</kbd> or drag to move, <kbd>0</kbd> the whole run. Where marks lie too close together they are stacked: what is not ok lies on top.</p>
${history.cut === null ? "" : `<p class="note">${escape(history.cut)}</p>`}
<noscript><p>The timeline is drawn by the page's script, which is off. The report's data is at the end of this file.</p></noscript>
</div>
<aside class="card" id="details" aria-live="polite"><p>Choose an operation in the timeline to see what was asked and answered.</p></aside>
</div></section>`;
}

function faultsText(events: readonly HistoryEvent[]): string {
  const counts = new Map<string, number>();
  for (const event of events) if (event.kind === "fault") counts.set(event.what, (counts.get(event.what) ?? 0) + 1);
  return [...counts].map(([what, count]) => `${count} × ${what}`).join(", ") || "none";
}

/** Each invariant with how often it was held against what was seen; those about which nothing was seen are told apart. */
function checkedOf({ verdict }: Report): string {
  const rows = [...verdict.checked]
    .sort((one, other) => Math.sign(other.violations) - Math.sign(one.violations))
    .map(
      ({ invariant, source, times, violations }) =>
        `<tr${violations > 0 ? ' class="broken"' : ""}><td>${violations > 0 ? "✘ violated" : "✔ holds"}</td><th scope="row" title="${escape(source)}">${escape(invariant)}</th><td class="number">${grouped(times)}${violations > 0 ? `, broken ${grouped(violations)}` : ""}</td></tr>`,
    );
  const unseen = verdict.notApplicable.map(
    ({ invariant, needs, source }) =>
      `<tr class="never"><td>– unseen</td><th scope="row" title="${escape(source)}">${escape(invariant)}</th><td class="needs">needs ${escape(needs)}</td></tr>`,
  );
  return `<section id="checked"><h2>What was checked</h2><div class="card wide"><table>
<thead><tr><th scope="col">verdict</th><th scope="col">invariant</th><th scope="col" class="number">times looked at</th></tr></thead>
<tbody>${rows.join("\n")}</tbody></table>
${unseen.length === 0 ? "" : `<details><summary>${unseen.length} more of which nothing was seen, so that they neither hold nor are violated</summary><table><tbody>${unseen.join("\n")}</tbody></table></details>`}</div></section>`;
}

function coverageOf({ coverage }: Report): string {
  const rows = Object.entries(coverage).map(
    ([name, count]) =>
      `<tr${count === 0 ? ' class="never"' : ""}><th scope="row">${escape(name)}</th><td class="number">${count === 0 ? "never" : grouped(count)}</td></tr>`,
  );
  return `<section id="coverage"><h2>What happened</h2><div class="card wide"><table>
<thead><tr><th scope="col">case</th><th scope="col" class="number">times</th></tr></thead>
<tbody>${rows.join("\n")}</tbody></table></div></section>`;
}

function faultsOf({ history, output }: Report): string {
  const { events, indices } = history;
  const answers = downTimes(events, (position) => indices[position] as number);
  const rows = events.flatMap((event, position) => {
    const what = signOf(event);
    if (what === null || isToldByFault(events, position)) return [];
    const told = "detail" in event ? event.detail : "";
    const detail = event.kind === "open" ? `${told}${answerOf(events, position, answers)}` : told;
    return `<tr><td class="number">${(event.atMs / 1000).toFixed(2)} s</td><th scope="row">${escape(what)}</th><td>${escape(detail)}</td><td><button type="button" data-event="${history.indices[position]}" data-fault>show</button></td></tr>`;
  });
  const most = 300;
  const said =
    output === null || output === ""
      ? ""
      : `<details><summary>the last that the command printed</summary><pre>${escape(output)}</pre></details>`;
  const table =
    rows.length === 0
      ? "<p>None: nothing was done to the log while it ran.</p>"
      : `<table><thead><tr><th scope="col" class="number">at</th><th scope="col">what</th><th scope="col">detail</th><td></td></tr></thead>
<tbody>${rows.slice(0, most).join("\n")}</tbody></table>${rows.length > most ? `<p class="note">and ${rows.length - most} more</p>` : ""}`;
  return `<section id="faults"><h2>What was done to it</h2><div class="card wide">${table}${said}</div></section>`;
}

/** How long after a start the first answer came, in words that go on. */
function answerOf(events: readonly HistoryEvent[], start: number, times: readonly DownTime[]): string {
  const within = times.find(({ from, to }) => from < start && (to === null || start < to));
  if (within === undefined) return "";
  const next = events.findIndex(({ kind }, at) => at > start && ["crash", "close", "open"].includes(kind));
  if (within.to === null || (next >= 0 && next < within.to)) return ", never answered";
  const tookMs = (events[within.to] as HistoryEvent).atMs - (events[start] as HistoryEvent).atMs;
  return `, first answer ${(tookMs / 1000).toFixed(2)} s later`;
}

function againOf({ command, seed }: Report): string {
  return `<section id="again"><h2>Run it again</h2><div class="card">
<div class="command"><pre>${escape(command)}</pre><button type="button" data-act="copy">copy</button></div>
<p class="note">Seed ${seed} draws the same workload and the same moments for faults. A live log answers in its own time, so a run is alike, not equal; a simulated one is equal to the last byte.</p>
<p><button type="button" data-act="download">download the report as JSON</button></p>
</div></section>`;
}

function sign(content: string): string {
  return `<svg viewBox="0 0 24 16" aria-hidden="true">${content}</svg>`;
}

/** JSON that cannot end the element it stands in. */
function embedded(report: Report): string {
  return JSON.stringify(report).replaceAll("<", "\\u003c");
}

function escape(text: string): string {
  const names: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (sign) => names[sign] ?? sign);
}

function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}
