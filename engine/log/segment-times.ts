// Where in a log of many segments a time can first be, without asking each of them.
//
// Owns: the running maxima of the closed segments' timestamps: they never fall, whatever clocks
//   do, so the first segment that reaches a time is found by halving.
// Never: reads a file; the active segment, whose maximum still rises, is not among them.
//
// Invariants: the answer is never beyond the first segment that reaches the time; it may lie
//   before it, when an index that was made anew lowered a maximum.

export interface SegmentTime {
  readonly maxTimestamp: number;
}

export class SegmentTimes {
  readonly #maxima: number[] = [];
  #last: SegmentTime | undefined;
  #changes = 0;

  /**
   * The place of the first of `segments` whose maximum timestamp is at least `timestamp`; the last
   * one's, which is active, when no other does. `changes` differs when the maximum of one
   * that was closed may.
   */
  firstReaching(timestamp: number, segments: readonly SegmentTime[], changes: number): number {
    this.#follow(segments, changes);
    let low = 0;
    let high = this.#maxima.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#maxima[middle] as number) >= timestamp) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #follow(segments: readonly SegmentTime[], changes: number): void {
    const maxima = this.#maxima;
    const closed = Math.max(0, segments.length - 1);
    // Segments come and go at the ends only: while the last one counted lies where it lay, all before it do.
    if (segments[maxima.length - 1] !== this.#last || changes !== this.#changes) maxima.length = 0;
    for (let at = maxima.length; at < closed; at += 1) {
      maxima.push(Math.max((segments[at] as SegmentTime).maxTimestamp, maxima[at - 1] ?? -1));
    }
    this.#last = segments[closed - 1];
    this.#changes = changes;
  }
}
