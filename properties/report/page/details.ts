// What there is to know of one event, and of its neighbours in the same partition.
//
// Owns: the panel beside the timeline.
// Never: interprets what a log answered: texts go in as text.

import { type HistoryEvent, tell } from "../../history.ts";
import type { Report } from "../report.ts";

const neighbours = 6;
const longest = 4000;

export function lineOf(event: HistoryEvent): string {
  const text = wordsOf(event);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

export class Details {
  readonly #panel: HTMLElement;
  readonly #report: Report;
  readonly #choose: (position: number) => void;

  constructor(panel: HTMLElement, report: Report, choose: (position: number) => void) {
    this.#panel = panel;
    this.#report = report;
    this.#choose = choose;
  }

  show(position: number): void {
    const { history, verdict } = this.#report;
    const event = history.events[position];
    if (event === undefined) return;
    const index = history.indices[position] as number;
    const parts: Node[] = [element("h3", titleOf(event)), element("p", shortened(wordsOf(event)))];
    for (const { invariant } of verdict.violations.filter(({ events }) => events.includes(index))) {
      parts.push(element("p", `▼ named by the violation: ${invariant}`, "named"));
    }
    const records = history.shortened[index];
    if (records !== undefined)
      parts.push(element("p", `It read ${records} records; only the first and last are kept here.`));
    const sentMs = history.sentMs[position] ?? event.atMs;
    parts.push(
      facts([
        ["event", `${index} of ${history.total}`],
        ["answered", `${event.atMs.toFixed(1)} ms after the start`],
        ...("outcome" in event
          ? [["sent", `at ${sentMs.toFixed(1)} ms or later, after event ${event.invokedAt - 1}`] as const]
          : []),
        ["life of the log", String(event.incarnation)],
      ]),
      this.#around(position, event),
      folded("the event as JSON", element("pre", shortened(JSON.stringify(event, null, 2)))),
    );
    this.#panel.replaceChildren(...parts);
  }

  #around(position: number, event: HistoryEvent): HTMLElement {
    const { events } = this.#report.history;
    const log = "log" in event ? event.log : undefined;
    const isSame = (other: HistoryEvent | undefined): boolean =>
      other !== undefined && (log === undefined || !("log" in other) || other.log === log);
    const found = [position];
    for (let at = position - 1; at >= 0 && found.length <= neighbours; at--) if (isSame(events[at])) found.unshift(at);
    const before = found.length;
    for (let at = position + 1; at < events.length && found.length < before + neighbours; at++)
      if (isSame(events[at])) found.push(at);
    const list = document.createElement("ol");
    list.className = "around";
    for (const at of found) {
      const other = events[at] as HistoryEvent;
      const item = document.createElement("li");
      const button = element("button", lineOf(other));
      button.setAttribute("type", "button");
      if (at === position) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => this.#choose(at));
      item.append(button);
      list.append(item);
    }
    const box = document.createElement("div");
    box.append(element("h4", log === undefined ? "Around it" : `Around it, in ${log}`), list);
    return box;
  }
}

function wordsOf(event: HistoryEvent): string {
  if (!["fault", "crash", "close", "open", "stuck"].includes(event.kind)) return tell(event);
  const { kind, atMs } = event;
  return `${kind === "fault" ? event.what : kind}: ${"detail" in event ? event.detail : ""}, at ${atMs.toFixed(0)} ms`;
}

function titleOf(event: HistoryEvent): string {
  const outcome = "outcome" in event ? `: ${event.outcome}` : "";
  return `${event.kind === "fault" ? event.what : event.kind}${outcome}`;
}

function shortened(text: string): string {
  return text.length > longest ? `${text.slice(0, longest)}… (${text.length - longest} characters more)` : text;
}

function facts(pairs: readonly (readonly [string, string])[]): HTMLElement {
  const list = document.createElement("dl");
  for (const [name, value] of pairs) list.append(element("dt", name), element("dd", value));
  return list;
}

function folded(summary: string, content: HTMLElement): HTMLElement {
  const box = document.createElement("details");
  box.append(element("summary", summary), content);
  return box;
}

function element(name: string, text: string, className = ""): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  if (className !== "") made.className = className;
  return made;
}
