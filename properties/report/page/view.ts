// Which stretch of time is looked at, and what zooming and moving do to it.
//
// Owns: that the stretch lies within the run and never shrinks below what a clock can tell apart.
// Never: draws.

export interface View {
  readonly fromMs: number;
  readonly toMs: number;
}

const smallestMs = 1;

/** Closer by `factor` > 1, farther by less, with `aroundMs` staying where it is. */
export function zoom(view: View, whole: View, factor: number, aroundMs: number): View {
  const wanted = (view.toMs - view.fromMs) / factor;
  const length = Math.min(whole.toMs - whole.fromMs, Math.max(smallestMs, wanted));
  const share = (aroundMs - view.fromMs) / (view.toMs - view.fromMs);
  return within({ fromMs: aroundMs - share * length, toMs: aroundMs + (1 - share) * length }, whole);
}

export function move(view: View, whole: View, byMs: number): View {
  return within({ fromMs: view.fromMs + byMs, toMs: view.toMs + byMs }, whole);
}

/** The same length with `atMs` in its middle; stays when that is well within already. */
export function show(view: View, whole: View, atMs: number): View {
  const length = view.toMs - view.fromMs;
  if (atMs >= view.fromMs + length * 0.05 && atMs <= view.toMs - length * 0.05) return view;
  return within({ fromMs: atMs - length / 2, toMs: atMs + length / 2 }, whole);
}

function within({ fromMs, toMs }: View, whole: View): View {
  const length = Math.min(toMs - fromMs, whole.toMs - whole.fromMs);
  const from = Math.max(whole.fromMs, Math.min(fromMs, whole.toMs - length));
  return { fromMs: from, toMs: from + length };
}

/** Round times for an axis, about `count` of them. */
export function ticks({ fromMs, toMs }: View, count: number): number[] {
  const rough = (toMs - fromMs) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const found: number[] = [];
  for (let tick = Math.ceil(fromMs / step) * step; tick <= toMs; tick += step) found.push(tick);
  return found;
}

/** `12.3 s` far away, `12 345.6 ms` close by: as many digits as the view can tell apart. */
export function timeText(atMs: number, view: View): string {
  const length = view.toMs - view.fromMs;
  if (length >= 2000) return `${(atMs / 1000).toFixed(length >= 20_000 ? 0 : 1)} s`;
  return `${atMs.toFixed(length < 20 ? 1 : 0).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f")} ms`;
}
