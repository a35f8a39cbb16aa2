// The timeline that a person moves about in.
//
// Owns: what mouse, wheel, touch and keys do; what is selected; when it is drawn anew.
// Never: says what an event means; whoever is told of a selection does.

import { type Lane, type Mark, nearestMark, type Timeline } from "../timeline.ts";
import {
  axisHeight,
  headingHeight,
  laneHeight,
  type Palette,
  paint,
  paintOverview,
  type Row,
  type Scene,
  timeAt,
  xOf,
} from "./paint.ts";
import { move, show, type View, zoom } from "./view.ts";

export interface ChartParts {
  /** Holds the lanes; takes the keys. */
  readonly canvas: HTMLCanvasElement;
  readonly overview: HTMLCanvasElement;
  /** Scrolls over the lanes. */
  readonly scroller: HTMLElement;
  /** As tall as all lanes. */
  readonly spacer: HTMLElement;
  readonly tooltip: HTMLElement;
}

export interface ChartEvents {
  /** Of the event among those that were kept. */
  readonly onSelect: (position: number) => void;
  /** A line about it, for whoever points at it. */
  readonly describe: (position: number) => string;
}

const overviewHeight = 44;
const mostHeight = 620;
const reachPx = 8;
/** Of an event that is zoomed to: so many of its lane are in sight with it. */
const neighboursShown = 16;

export class Chart {
  readonly #parts: ChartParts;
  readonly #timeline: Timeline;
  readonly #events: ChartEvents;
  readonly #rows: readonly Row[];
  readonly #whole: View;
  #view: View;
  #selected = -1;
  #selectedLane: Lane | null = null;
  #frame = 0;
  #dragged = false;

  constructor(parts: ChartParts, timeline: Timeline, events: ChartEvents) {
    this.#parts = parts;
    this.#timeline = timeline;
    this.#events = events;
    this.#rows = rowsOf(timeline);
    const { fromMs, toMs } = timeline;
    const margin = (toMs - fromMs) * 0.01;
    this.#whole = { fromMs: fromMs - margin, toMs: toMs + margin };
    this.#view = this.#whole;
    const last = this.#rows.at(-1);
    const tall = axisHeight + (last === undefined ? 0 : last.top + last.height);
    parts.spacer.style.height = `${tall}px`;
    parts.scroller.style.height = `${Math.min(mostHeight, tall)}px`;
    this.#listen();
    this.draw();
  }

  get selected(): number {
    return this.#selected;
  }

  /** Selects an event and brings it into sight. */
  select(position: number): void {
    const lane = this.#laneOf(position);
    this.#selected = position;
    this.#selectedLane = lane;
    const row = this.#rows.find((one) => one.lane === lane);
    const { scroller } = this.#parts;
    if (lane !== null && row !== undefined) {
      const room = scroller.clientHeight - axisHeight;
      if (row.top < scroller.scrollTop || row.top + row.height > scroller.scrollTop + room)
        scroller.scrollTop = row.top - room / 2;
    }
    const atMs = this.#timeOf(position);
    if (atMs !== null) this.#view = show(this.#view, this.#whole, atMs);
    this.draw();
    this.#events.onSelect(position);
  }

  /** Selects an event with so much around it that it can be told from its neighbours. */
  zoomTo(position: number): void {
    const atMs = this.#timeOf(position);
    const lane = this.#laneOf(position);
    if (atMs !== null) {
      const neighbours = (lane ?? this.#timeline.lanes[0])?.marks ?? [];
      const times = neighbours.map(({ endMs }) => Math.abs(endMs - atMs)).sort((one, other) => one - other);
      const half = Math.max(10, times[neighboursShown] ?? (this.#whole.toMs - this.#whole.fromMs) / 2);
      const view = { fromMs: atMs - half, toMs: atMs + half };
      this.#view = move(view, this.#whole, 0);
    }
    this.select(position);
  }

  zoomBy(factor: number): void {
    const selected = this.#selected < 0 ? null : this.#timeOf(this.#selected);
    const { fromMs, toMs } = this.#view;
    const around = selected !== null && selected >= fromMs && selected <= toMs ? selected : (fromMs + toMs) / 2;
    this.#look(zoom(this.#view, this.#whole, factor, around));
  }

  panBy(share: number): void {
    this.#look(move(this.#view, this.#whole, share * (this.#view.toMs - this.#view.fromMs)));
  }

  reset(): void {
    this.#look(this.#whole);
  }

  /** On the next frame, once. */
  draw(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      const { canvas, overview, scroller } = this.#parts;
      const scene = this.#scene();
      const context = sized(canvas, scene.width, scroller.clientHeight);
      if (context !== null) paint(context, scene);
      const over = sized(overview, scene.width, overviewHeight);
      if (over !== null) paintOverview(over, scene, this.#whole, overviewHeight);
    });
  }

  #scene(): Scene {
    const { scroller } = this.#parts;
    const width = scroller.clientWidth;
    return {
      timeline: this.#timeline,
      rows: this.#rows,
      view: this.#view,
      ...{ width, height: scroller.clientHeight, scrollTop: scroller.scrollTop },
      labelWidth: Math.min(210, Math.round(width * 0.3)),
      ...{ selected: this.#selected, selectedLane: this.#selectedLane },
      palette: paletteOf(scroller),
    };
  }

  #look(view: View): void {
    this.#view = view;
    this.draw();
  }

  #laneOf(position: number): Lane | null {
    return this.#timeline.lanes.find(({ marks }) => marks.some((mark) => mark.position === position)) ?? null;
  }

  #timeOf(position: number): number | null {
    const mark = this.#laneOf(position)?.marks.find((one) => one.position === position);
    return mark?.endMs ?? this.#timeline.signs.find((sign) => sign.position === position)?.atMs ?? null;
  }

  /** The event that is drawn there, or -1. */
  #at(x: number, y: number): number {
    const scene = this.#scene();
    if (x < scene.labelWidth) return -1;
    const atMs = timeAt(scene, x);
    if (y < axisHeight) {
      const near = this.#timeline.signs
        .filter((sign) => Math.abs(xOf(scene, sign.atMs) - x) <= reachPx)
        .sort((one, other) => Math.abs(one.atMs - atMs) - Math.abs(other.atMs - atMs));
      return near[0]?.position ?? -1;
    }
    const inRows = y - axisHeight + scene.scrollTop;
    const lane = this.#rows.find(({ top, height }) => inRows >= top && inRows < top + height)?.lane ?? null;
    if (lane === null) return -1;
    const reach = reachPx * (timeAt(scene, 1) - timeAt(scene, 0));
    const isNear = ({ startMs, endMs }: Mark): boolean => atMs >= startMs - reach && atMs <= endMs + reach;
    // What a violation names is what people aim at.
    const violating = lane.marks.find((mark) => mark.violating && isNear(mark));
    const nearest = violating ?? nearestMark(lane, atMs);
    return nearest !== null && isNear(nearest) ? nearest.position : -1;
  }

  #listen(): void {
    const { canvas, overview, scroller, tooltip } = this.#parts;
    scroller.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(scroller);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    drag(canvas, (byX, _, moved) => {
      this.#dragged = moved;
      const scene = this.#scene();
      this.#look(move(this.#view, this.#whole, timeAt(scene, 0) - timeAt(scene, byX)));
    });
    drag(overview, (_, x) => {
      const atMs = timeAt({ ...this.#scene(), view: this.#whole }, x);
      this.#look(move(this.#view, this.#whole, atMs - (this.#view.fromMs + this.#view.toMs) / 2));
    });
    canvas.addEventListener("click", (event) => {
      const position = this.#dragged ? -1 : this.#at(event.offsetX, event.offsetY);
      this.#dragged = false;
      if (position >= 0) this.select(position);
    });
    canvas.addEventListener("pointermove", (event) => this.#hover(event));
    canvas.addEventListener("pointerleave", () => (tooltip.hidden = true));
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #hover({ offsetX, offsetY, buttons }: PointerEvent): void {
    const { tooltip, scroller, canvas } = this.#parts;
    const position = buttons === 0 ? this.#at(offsetX, offsetY) : -1;
    tooltip.hidden = position < 0;
    canvas.style.cursor = position < 0 ? "grab" : "pointer";
    if (position < 0) return;
    tooltip.textContent = this.#events.describe(position);
    const isRight = offsetX > scroller.clientWidth / 2;
    tooltip.style.left = isRight ? "" : `${offsetX + 14}px`;
    tooltip.style.right = isRight ? `${scroller.clientWidth - offsetX + 14}px` : "";
    tooltip.style.top = `${Math.min(offsetY + 14, scroller.clientHeight - 60)}px`;
  }

  /** Plain wheels scroll the page and the lanes. */
  #wheel(event: WheelEvent): void {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const around = timeAt(this.#scene(), event.offsetX);
      this.#look(zoom(this.#view, this.#whole, Math.exp(-event.deltaY / 200), around));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.panBy((event.deltaX || event.deltaY) / 1000);
    }
  }

  #key(event: KeyboardEvent): void {
    const act = this.#keyed(event);
    if (act === null) return;
    event.preventDefault();
    act();
  }

  #keyed({ key, shiftKey, ctrlKey, metaKey, altKey }: KeyboardEvent): (() => void) | null {
    if (ctrlKey || metaKey || altKey) return null;
    switch (key) {
      case "+":
      case "=":
        return () => this.zoomBy(2);
      case "-":
        return () => this.zoomBy(0.5);
      case "0":
        return () => this.reset();
      case "ArrowLeft":
        return () => (shiftKey ? this.panBy(-0.2) : this.#step(-1));
      case "ArrowRight":
        return () => (shiftKey ? this.panBy(0.2) : this.#step(1));
      case "ArrowUp":
        return () => this.#otherLane(-1);
      case "ArrowDown":
        return () => this.#otherLane(1);
      case "v":
        return () => this.#nextViolating();
      default:
        return null;
    }
  }

  /** To the next operation of the lane, or to the one before. */
  #step(by: number): void {
    const lane = this.#selectedLane ?? this.#timeline.lanes[0];
    if (lane === undefined) return;
    const at = lane.marks.findIndex(({ position }) => position === this.#selected);
    const next = at < 0 ? nearestMark(lane, this.#view.fromMs) : lane.marks[at + by];
    if (next !== null && next !== undefined) this.select(next.position);
  }

  #otherLane(by: number): void {
    const { lanes } = this.#timeline;
    const at = this.#selectedLane === null ? -1 : lanes.indexOf(this.#selectedLane);
    const lane = lanes[Math.max(0, Math.min(lanes.length - 1, at + by))];
    const atMs = this.#timeOf(this.#selected) ?? this.#view.fromMs;
    const mark = lane === undefined ? null : nearestMark(lane, atMs);
    if (mark !== null) this.select(mark.position);
  }

  #nextViolating(): void {
    const { lanes, signs } = this.#timeline;
    const all = [...lanes.flatMap(({ marks }) => marks), ...signs].filter(({ violating }) => violating);
    const positions = all.map(({ position }) => position).sort((one, other) => one - other);
    const next = positions.find((position) => position > this.#selected) ?? positions[0];
    if (next !== undefined) this.zoomTo(next);
  }
}

function rowsOf({ lanes }: Timeline): Row[] {
  const rows: Row[] = [];
  let top = 0;
  const add = (height: number, lane: Lane | null, text: string, violating: boolean): void => {
    rows.push({ top, height, lane, text, violating });
    top += height;
  };
  lanes.forEach((lane, index) => {
    if (lane.group !== lanes[index - 1]?.group) add(headingHeight, null, lane.group, false);
    add(
      laneHeight,
      lane,
      lane.name,
      lane.marks.some(({ violating }) => violating),
    );
  });
  return rows;
}

/** A context in CSS pixels, sharp on any screen. */
function sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const ratio = devicePixelRatio;
  const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== tall) {
    canvas.width = wide;
    canvas.height = tall;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

function paletteOf(element: HTMLElement): Palette {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    ...{ text: colour("text"), quiet: colour("quiet"), line: colour("line"), surface: colour("surface") },
    ...{ stripe: colour("stripe"), ok: colour("ok"), fail: colour("fail"), info: colour("info") },
    ...{ note: colour("note"), violation: colour("violation"), down: colour("down"), fault: colour("fault") },
    focus: colour("focus"),
  };
}

/** Tells how far a pressed pointer has moved since it was last asked, where it is, and whether it moved at all. */
function drag(element: HTMLElement, moved: (byX: number, x: number, isMoved: boolean) => void): void {
  let last: number | null = null;
  let far = 0;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    last = event.offsetX;
    far = 0;
    element.setPointerCapture(event.pointerId);
    moved(0, event.offsetX, false);
  });
  element.addEventListener("pointermove", (event) => {
    if (last === null) return;
    far += Math.abs(event.offsetX - last);
    moved(event.offsetX - last, event.offsetX, far > 4);
    last = event.offsetX;
  });
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => (last = null));
}
