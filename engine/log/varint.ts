// Zigzag varints of up to 64 bits, as records have them, of safe integers.
//
// Owns: their bytes when written. The int32 and int64 forms of a value are the same bytes.
// Never: reads one (kernel).

/** What `writeVarlong` takes. Bytes. */
export function varlongBytes(value: number): number {
  let rest = Math.floor(magnitude(value) / 64);
  let bytes = 1;
  for (; rest > 0; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

/** Writes it at `position`; the position behind it. */
export function writeVarlong(bytes: Uint8Array, position: number, value: number): number {
  const half = magnitude(value);
  let at = position;
  // Twice a safe integer is none: the lowest bit, the sign, goes by itself.
  let byte = (half % 64) * 2 + (value < 0 ? 1 : 0);
  for (let rest = Math.floor(half / 64); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[at] = byte + 128;
    at += 1;
    byte = rest % 128;
  }
  bytes[at] = byte;
  return at + 1;
}

function magnitude(value: number): number {
  return value < 0 ? -value - 1 : value;
}
