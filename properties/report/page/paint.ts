// How lanes, marks, faults and the axis look on a canvas.
//
// Owns: shapes and colours: an outcome is told by its shape as well as by its colour; where more marks fall on a
//   pixel than can be told apart, their outcomes are stacked, the worst on top.
// Never: listens to anyone, or keeps what it has drawn.

import { type Lane, type Mark, type MarkOutcome, marksWithin, type Timeline } from "../timeline.ts";
import { ticks, timeText, type View } from "./view.ts";

export interface Palette {
  readonly text: string;
  readonly quiet: string;
  readonly line: string;
  readonly surface: string;
  readonly stripe: string;
  readonly ok: string;
  readonly fail: string;
  readonly info: string;
  readonly note: string;
  readonly violation: string;
  readonly down: string;
  readonly fault: string;
  readonly focus: string;
}

/** One row of the picture: a lane, or the heading over those that stand together. */
export interface Row {
  readonly top: number;
  readonly height: number;
  readonly lane: Lane | null;
  readonly text: string;
  /** It holds something that a violation names. */
  readonly violating: boolean;
}

export interface Scene {
  readonly timeline: Timeline;
  readonly rows: readonly Row[];
  readonly view: View;
  readonly width: number;
  readonly height: number;
  /** How far the rows are scrolled. */
  readonly scrollTop: number;
  readonly labelWidth: number;
  /** Of the event among those that were kept; -1: none. */
  readonly selected: number;
  readonly selectedLane: Lane | null;
  readonly palette: Palette;
}

export const axisHeight = 46;
export const laneHeight = 20;
export const headingHeight = 24;
const barHeight = 10;
/** Below this many pixels a mark, outcomes are stacked. */
const tellApartPx = 2;
const columnPx = 2;
const font = "12px system-ui, sans-serif";
const smallFont = "11px system-ui, sans-serif";

export function xOf({ view, width, labelWidth }: Scene, atMs: number): number {
  return labelWidth + ((atMs - view.fromMs) / (view.toMs - view.fromMs)) * (width - labelWidth);
}

export function timeAt({ view, width, labelWidth }: Scene, x: number): number {
  return view.fromMs + ((x - labelWidth) / (width - labelWidth)) * (view.toMs - view.fromMs);
}

export function paint(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, height, palette, rows, scrollTop, labelWidth } = scene;
  context.fillStyle = palette.surface;
  context.fillRect(0, 0, width, height);
  context.save();
  context.beginPath();
  context.rect(0, axisHeight, width, height - axisHeight);
  context.clip();
  const visible = rows.filter(({ top, height: rowHeight }) => {
    const y = axisHeight + top - scrollTop;
    return y + rowHeight > axisHeight && y < height;
  });
  visible.forEach((row) => paintRow(context, scene, row));
  context.save();
  context.beginPath();
  context.rect(labelWidth, axisHeight, width - labelWidth, height - axisHeight);
  context.clip();
  paintBands(context, scene);
  for (const row of visible) if (row.lane !== null) paintLane(context, scene, row.lane, middleOf(scene, row));
  context.restore();
  context.restore();
  paintAxis(context, scene);
}

/** The whole run in a strip: how much went on when, faults, violations, and what is looked at. */
export function paintOverview(context: CanvasRenderingContext2D, scene: Scene, whole: View, height: number): void {
  const { timeline, palette, width, view, labelWidth } = scene;
  const all: Scene = { ...scene, view: whole };
  context.fillStyle = palette.surface;
  context.fillRect(0, 0, width, height);
  const columns = new Float64Array(Math.ceil((width - labelWidth) / columnPx) + 1);
  for (const { marks } of timeline.lanes) {
    for (const { endMs } of marks) {
      const column = Math.floor((xOf(all, endMs) - labelWidth) / columnPx);
      columns[column] = (columns[column] ?? 0) + 1;
    }
  }
  const most = columns.reduce((highest, count) => Math.max(highest, count), 1);
  context.fillStyle = palette.down;
  for (const { fromMs, toMs } of timeline.bands) {
    context.fillRect(xOf(all, fromMs), 0, Math.max(2, xOf(all, toMs) - xOf(all, fromMs)), height);
  }
  context.fillStyle = palette.ok;
  columns.forEach((count, column) => {
    const tall = Math.ceil((count / most) * (height - 14));
    if (count > 0) context.fillRect(labelWidth + column * columnPx, height - tall, columnPx, tall);
  });
  context.fillStyle = palette.fault;
  for (const { atMs } of timeline.signs) context.fillRect(xOf(all, atMs) - 0.5, 0, 1, height);
  context.fillStyle = palette.violation;
  for (const { endMs } of violatingOf(timeline)) triangle(context, xOf(all, endMs), 1, 6);
  const left = xOf(all, view.fromMs);
  const right = Math.max(left + 3, xOf(all, view.toMs));
  context.fillStyle = palette.stripe;
  context.globalAlpha = 0.6;
  context.fillRect(labelWidth, 0, left - labelWidth, height);
  context.fillRect(right, 0, width - right, height);
  context.globalAlpha = 1;
  context.strokeStyle = palette.focus;
  context.lineWidth = 2;
  context.strokeRect(left + 1, 1, right - left - 2, height - 2);
  write(context, "the whole run", 8, height / 2 + 4, palette.quiet, smallFont, labelWidth - 16);
}

function violatingOf({ lanes, signs }: Timeline): { readonly endMs: number }[] {
  const ofSigns = signs.filter(({ violating }) => violating).map(({ atMs }) => ({ endMs: atMs }));
  return [...ofSigns, ...lanes.flatMap(({ marks }) => marks.filter(({ violating }) => violating))];
}

function middleOf({ scrollTop }: Scene, { top, height }: Row): number {
  return axisHeight + top - scrollTop + height / 2;
}

function paintRow(context: CanvasRenderingContext2D, scene: Scene, row: Row): void {
  const { palette, width, labelWidth, scrollTop, selectedLane } = scene;
  const y = axisHeight + row.top - scrollTop;
  if (row.lane === null) {
    context.fillStyle = palette.stripe;
    context.fillRect(0, y, width, row.height);
    write(context, row.text, 8, y + row.height / 2 + 4, palette.text, `600 ${font}`, width - 16);
    return;
  }
  const colour = row.lane === selectedLane || row.violating ? palette.text : palette.quiet;
  write(context, row.text, 18, y + row.height / 2 + 4, colour, smallFont, labelWidth - 26);
  if (row.violating) {
    context.fillStyle = palette.violation;
    triangle(context, 10, y + row.height / 2 - 3, 5);
  }
  context.fillStyle = palette.line;
  context.fillRect(0, y + row.height - 1, width, 1);
}

function paintBands(context: CanvasRenderingContext2D, scene: Scene): void {
  const { timeline, palette, height } = scene;
  for (const { fromMs, toMs } of timeline.bands) {
    const left = xOf(scene, fromMs);
    const right = Math.max(left + 2, xOf(scene, toMs));
    context.fillStyle = palette.down;
    context.fillRect(left, axisHeight, right - left, height);
  }
  context.strokeStyle = palette.fault;
  context.lineWidth = 1;
  for (const { atMs, violating } of timeline.signs) {
    context.strokeStyle = violating ? palette.violation : palette.fault;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(Math.round(xOf(scene, atMs)) + 0.5, axisHeight);
    context.lineTo(Math.round(xOf(scene, atMs)) + 0.5, height);
    context.stroke();
  }
  context.setLineDash([]);
}

function paintLane(context: CanvasRenderingContext2D, scene: Scene, lane: Lane, middle: number): void {
  const { view, width, labelWidth, selected, palette } = scene;
  const marks = marksWithin(lane, view.fromMs, view.toMs);
  const room = (width - labelWidth) / tellApartPx;
  if (marks.length > room / 3) paintStacks(context, scene, marks, middle);
  else for (const mark of marks) if (!mark.violating) paintMark(context, scene, mark, middle);
  for (const mark of marks) {
    if (mark.violating) paintViolating(context, scene, mark, middle);
    if (mark.position === selected) {
      const { left, right } = extent(scene, mark);
      context.strokeStyle = palette.focus;
      context.lineWidth = 2;
      context.strokeRect(left - 4, middle - laneHeight / 2 + 1, right - left + 8, laneHeight - 2);
    }
  }
}

function paintStacks(context: CanvasRenderingContext2D, scene: Scene, marks: readonly Mark[], middle: number): void {
  const order: readonly MarkOutcome[] = ["note", "ok", "fail", "info"];
  const columns = Math.ceil((scene.width - scene.labelWidth) / columnPx) + 1;
  const counts = order.map(() => new Uint32Array(columns));
  for (const { endMs, outcome } of marks) {
    const column = Math.floor((xOf(scene, endMs) - scene.labelWidth) / columnPx);
    const of = counts[order.indexOf(outcome)] as Uint32Array;
    if (column >= 0 && column < columns) of[column] = (of[column] ?? 0) + 1;
  }
  const tallest = laneHeight - 4;
  for (let column = 0; column < columns; column++) {
    const sum = counts.reduce((total, of) => total + (of[column] ?? 0), 0);
    if (sum === 0) continue;
    // Four steps of height by how many there are, so that one among thousands is still to be seen.
    const tall = Math.min(tallest, 5 + 3 * Math.log2(sum));
    let bottom = middle + tall / 2;
    order.forEach((outcome, index) => {
      const count = counts[index]?.[column] ?? 0;
      if (count === 0) return;
      const part = Math.max(3, (count / sum) * tall);
      context.fillStyle = scene.palette[outcome];
      context.fillRect(scene.labelWidth + column * columnPx, bottom - part, columnPx, part);
      bottom -= part;
    });
  }
}

function extent(scene: Scene, { startMs, endMs }: Mark): { left: number; right: number } {
  const right = xOf(scene, endMs);
  return { left: Math.min(right - 4, Math.max(scene.labelWidth - 20, xOf(scene, startMs))), right };
}

/** ok: a full bar; fail: a hollow one with a cross; info: a hollow, dashed one with a triangle; note: a dot. */
function paintMark(context: CanvasRenderingContext2D, scene: Scene, mark: Mark, middle: number): void {
  const { left, right } = extent(scene, mark);
  const colour = scene.palette[mark.outcome];
  const top = middle - barHeight / 2;
  context.fillStyle = colour;
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  if (mark.outcome === "note") {
    context.beginPath();
    context.arc(right, middle, 2.5, 0, 2 * Math.PI);
    context.fill();
  } else if (mark.outcome === "ok") {
    context.fillRect(left, top, right - left, barHeight);
  } else if (mark.outcome === "fail") {
    context.strokeRect(left, top + 1, right - left, barHeight - 2);
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(right - 4, middle - 4);
    context.lineTo(right + 4, middle + 4);
    context.moveTo(right + 4, middle - 4);
    context.lineTo(right - 4, middle + 4);
    context.stroke();
  } else {
    context.setLineDash([3, 2]);
    context.strokeRect(left, top + 1, right - left, barHeight - 2);
    context.setLineDash([]);
    triangleUp(context, right, middle - 5, 5);
  }
}

function paintViolating(context: CanvasRenderingContext2D, scene: Scene, mark: Mark, middle: number): void {
  paintMark(context, scene, mark, middle);
  const { left, right } = extent(scene, mark);
  context.strokeStyle = scene.palette.violation;
  context.lineWidth = 2;
  context.beginPath();
  context.roundRect(left - 3, middle - laneHeight / 2 + 2, right - left + 6, laneHeight - 4, 4);
  context.stroke();
  context.fillStyle = scene.palette.violation;
  triangle(context, right, middle - laneHeight / 2 - 4, 6);
}

function paintAxis(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, width, labelWidth, palette, timeline } = scene;
  context.fillStyle = palette.surface;
  context.fillRect(0, 0, width, axisHeight);
  context.fillStyle = palette.line;
  context.fillRect(0, axisHeight - 1, width, 1);
  for (const tick of ticks(view, (width - labelWidth) / 110)) {
    const x = xOf(scene, tick);
    context.fillStyle = palette.line;
    context.fillRect(Math.round(x), axisHeight - 6, 1, 6);
    write(context, timeText(tick, view), x + 3, axisHeight - 6, palette.quiet, smallFont, 100);
  }
  write(context, "faults", 8, 16, palette.quiet, smallFont, labelWidth - 16);
  let free = labelWidth;
  for (const { atMs, label, violating } of timeline.signs) {
    const x = xOf(scene, atMs);
    // A start is a line in its band, and needs no words here.
    if (x < labelWidth || x > width || (label === "start" && !violating)) continue;
    context.fillStyle = violating ? palette.violation : palette.fault;
    diamond(context, x, 12, 5);
    context.font = smallFont;
    const room = context.measureText(label).width + 12;
    if (x < free || x + room > width) continue;
    write(context, label, x + 8, 16, palette.text, smallFont, room);
    free = x + room + 4;
  }
}

function write(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  colour: string,
  face: string,
  room: number,
): void {
  context.font = face;
  context.fillStyle = colour;
  let shown = text;
  if (context.measureText(shown).width > room) {
    while (shown.length > 1 && context.measureText(`${shown}…`).width > room) shown = shown.slice(0, -1);
    shown += "…";
  }
  context.fillText(shown, x, y);
}

/** Points down: look here. */
function triangle(context: CanvasRenderingContext2D, x: number, top: number, half: number): void {
  polygon(context, [x - half, top], [x + half, top], [x, top + half * 1.5]);
}

function triangleUp(context: CanvasRenderingContext2D, x: number, top: number, half: number): void {
  polygon(context, [x, top], [x + half, top + half * 2], [x - half, top + half * 2]);
}

function diamond(context: CanvasRenderingContext2D, x: number, y: number, half: number): void {
  polygon(context, [x, y - half], [x + half, y], [x, y + half], [x - half, y]);
}

function polygon(context: CanvasRenderingContext2D, ...points: readonly (readonly [number, number])[]): void {
  context.beginPath();
  points.forEach(([x, y], index) => (index === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  context.closePath();
  context.fill();
}
