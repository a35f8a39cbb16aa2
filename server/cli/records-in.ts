// Standard input cut into record values: lines, or chunks of one size.
//
// Owns: where a record ends. A final line without a newline is a record; an empty line is one of
//   zero bytes; "\r" belongs to its line.
// Never: keeps more than the record that is not whole yet.

/** Lines without their "\n". What is given is only valid until the next is asked for. */
export async function* lines(
  input: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array[], void, void> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (const chunk of input) {
    const whole: Uint8Array[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = chunk.subarray(start, end);
      whole.push(heldBytes === 0 ? line : concat([...held, line]));
      held = [];
      heldBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      held.push(chunk.slice(start));
      heldBytes += chunk.length - start;
      if (heldBytes > maxBytes)
        throw new Error(`a line is longer than ${maxBytes} bytes: cut the input with --chunk instead`);
    }
    if (whole.length > 0) yield whole;
  }
  if (heldBytes > 0) yield [concat(held)];
}

/** Chunks of `sizeBytes`; the last may be shorter. */
export async function* chunks(
  input: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Uint8Array[], void, void> {
  let filling = new Uint8Array(sizeBytes);
  let filled = 0;
  for await (const chunk of input) {
    const whole: Uint8Array[] = [];
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + sizeBytes - filled);
      filling.set(piece, filled);
      filled += piece.length;
      at += piece.length;
      if (filled < sizeBytes) continue;
      whole.push(filling);
      filling = new Uint8Array(sizeBytes);
      filled = 0;
    }
    if (whole.length > 0) yield whole;
  }
  if (filled > 0) yield [filling.subarray(0, filled)];
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0] as Uint8Array;
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
