// Writes assembly/crc32c-fold.generated.ts: the bulk of CRC-32C, by sparse folding.
//
// A checksum is a remainder. Take the message as a polynomial over GF(2): its first bit (the
// lowest of byte 0: CRC-32C is reflected) is the coefficient of the highest power of x. Then
//
//     crc = message * x^32 mod P,    P = x^32 + x^28 + ... + 1, 0x11edc6f41 in hex,
//
// where the register before the message (the seed, inverted) is XORed into its first 32 bits.
// The remainder stays what it is when any multiple of P is XORed into the message. So look for
// multiples with few terms, all of them whole bytes apart:
//
//     K = 1 + x^(-8 d1) + x^(-8 d2) + ...    times x^(8 W), W the largest of the delays d
//
// XORing x * K for the 16 bytes x at position p makes them zero, and XORs x into the bytes at
// p + d1, p + d2, ...: the 16 bytes are eliminated without a table or a multiplication. Seen
// from the other end, with `out` for what each chunk held when its turn came:
//
//     out[p] = in[p] ^ out[p - d1] ^ out[p - d2] ^ ...
//
// which is a handful of unaligned 128-bit loads for 16 bytes. `out` is kept as long as the
// largest delay needs it. Where elimination stops, at E, the last W bytes and more are left as
//
//     rest[p] = in[p] ^ (every out[p - d] with p - d < E)
//
// a short message with the same remainder, to be folded by shorter delays. Nothing comes before
// the message, so out[p] is 0 for p < 0.
//
// Fewer terms need larger powers: a shorter message cannot use the delays of a longer one. Hence
// three sizes. And P has the factor x + 1, so a multiple of P has an even number of terms. Giving
// that factor up finds better ones: P = (x + 1) Q, and a multiple of Q that is none of P leaves
// a remainder that is right modulo Q, thus right or off by Q itself (both have degree < 32).
// Modulo x + 1 a polynomial is its number of ones, modulo 2. So the parity of the message tells
// which it is: where the parity of the remainder differs, Q is XORed in. A message's parity
// takes one XOR a chunk.
//
// What decides between multiples is the machine. A chunk reads out[p - d] across two earlier
// stores (a delay that is no multiple of 16 always does), which a processor can forward from
// neither: the load waits until both have left the store buffer. Delays of more than 110 bytes
// come late enough for that. Delays of 16, 32, 48 or 64 bytes take registers instead of loads; so
// do two delays that differ by as much, of which one load serves both.
//
// The three sizes, and how each ends:
//
//     large    chunks -> a ring of the last 4 KiB of `out`; the rest is a middle message
//     middle   chunks -> `out` as long as the message; the rest is a small message
//     small    chunks -> `out` likewise; the rest is 12 chunks in registers. Straight-line
//              shuffles eliminate 5 of them, then 3 of the 7 left (delays shorter than 110
//              bytes, but nothing is stored). Slicing (crc32c-slices.ts) takes the last 64 bytes.
//
// All work on whole chunks. The first sizeBytes % 16 bytes come as `head`, behind zeros, and count
// as out[-16]; `carry` is what of the seed lies behind the head, XORed into chunk 0.
//
// Owns: the delays, and the proof that each set is what it claims (below, at each run).

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const chunkBytes = 16;
const chunksAStep = 4;
const stepBytes = chunkBytes * chunksAStep;

const P = 0x11edc6f41n;
const Q = 0xf5b4253fn;

const large = { delays: [32, 2500, 3629, 3661], modulus: Q };
const middle = { delays: [16, 340, 352, 368, 404, 461], modulus: Q };
const small = { delays: [48, 113, 131, 146, 161, 177, 178], modulus: P };
/** Of the small rest, in registers: 12 chunks to 7, and 7 to 4. */
const twelve = { delays: [21, 47, 60, 65, 70, 94, 98], modulus: P };
const seven = { delays: [19, 40, 43, 45, 46, 48, 52, 54, 62], modulus: P };

const ringBytes = 4096;
/** From here on a message is small, middle, large; below, slicing is as fast. Measured. */
const smallFromBytes = 288;
const middleFromBytes = 1536;
const largeFromBytes = 16 * 1024;

prove();

/** Refuses delays that are no multiple of their modulus, or that the code below cannot serve. */
function prove() {
  const insist = (holds, what) => {
    if (!holds) throw new Error(`crc32c: ${what}`);
  };
  insist(times(Q, 0b11n) === P, "P is not (x + 1) Q");
  insist(ones(Q) % 2 === 1, "Q has the factor x + 1, so the parity does not tell Q from 0");
  for (const { delays, modulus } of [large, middle, small, twelve, seven]) {
    const widest = delays.at(-1);
    const terms = [widest, ...delays.map((delay) => widest - delay)];
    const sum = terms.reduce((remainder, bytes) => remainder ^ powerOfX(8 * bytes, modulus), 0n);
    insist(sum === 0n, `${delays} is no multiple of 0x${modulus.toString(16)}`);
    insist(
      delays.every((delay, place) => delay >= chunkBytes && !(delay <= delays[place - 1])),
      `${delays} do not rise from a whole chunk`,
    );
  }
  for (const { delays } of [large, middle, small]) {
    for (const { delay } of plan(delays).loads) insist(delay > 110, `a load ${delay} bytes back waits for its store`);
  }
  insist(ringBytes >= large.delays.at(-1) + stepBytes + chunkBytes, "the ring forgets too soon");
  insist(middleFromBytes > restBytes(middle) && smallFromBytes >= restBytes(small) + chunkBytes, "too short to fold");
  insist(restBytes(large) + stepBytes <= largeFromBytes, "what is left of a large message is none of middle size");
}

function times(a, b) {
  let product = 0n;
  for (let bit = 0n; a >> bit > 0n; bit++) if ((a >> bit) & 1n) product ^= b << bit;
  return product;
}

function modulo(polynomial, modulus) {
  const degree = (value) => value.toString(2).length - 1;
  while (degree(polynomial) >= degree(modulus)) polynomial ^= modulus << BigInt(degree(polynomial) - degree(modulus));
  return polynomial;
}

function powerOfX(exponent, modulus) {
  if (exponent === 0) return 1n;
  const root = powerOfX(exponent >> 1, modulus);
  return modulo(times(root, root) << BigInt(exponent & 1), modulus);
}

function ones(value) {
  return [...value.toString(2)].filter((bit) => bit === "1").length;
}

function reflected(value) {
  return `0x${BigInt(`0b${[...value.toString(2).padStart(32, "0")].reverse().join("")}`).toString(16)}`;
}

/** What is left at the least, in whole chunks. */
function restBytes({ delays }) {
  return Math.ceil(delays.at(-1) / chunkBytes) * chunkBytes;
}

/** Which delays are loads, which of them serve another too `lags` chunks later, which are registers. */
function plan(delays) {
  const isNear = (bytes) => bytes > 0 && bytes % chunkBytes === 0 && bytes <= stepBytes;
  const near = delays.filter(isNear).map((delay) => delay / chunkBytes);
  const loads = [];
  for (const delay of delays) {
    if (isNear(delay)) continue;
    const shared = loads.find((load) => isNear(delay - load.delay));
    if (shared === undefined) loads.push({ delay, lags: [0] });
    else shared.lags.push((delay - shared.delay) / chunkBytes);
  }
  return { near, loads };
}

// The text of the code. `name` and a place stand for a 128-bit register, `{ base, offset }` for a place in memory.

const xor = (a, b) => `v128.xor(${a}, ${b})`;
const xorAll = ([first, ...others]) => others.reduce(xor, first);
const read = ({ base, offset }, further = 0) => `v128.load(${base}, ${offset + further})`;
const indent = (lines) => lines.map((line) => `  ${line}`);
const upTo = (length) => Array.from({ length }, (_, index) => index);

/** Registers that outlive a step: `name` as it was one chunk before the step, two chunks, ... */
const before = (name, lags) => upTo(Math.max(0, ...lags)).map((index) => `${name}Before${index + 1}`);

function declareCarried({ near, loads }) {
  const names = [...before("out", near), ...loads.flatMap(({ delay, lags }) => before(`back${delay}`, lags))];
  return names.map((name) => `let ${name} = ${name === "outBefore1" ? "head" : "zero"};`);
}

/** Four chunks of `out`; of the loads only those whose delay reaches back to something. */
function step({ near, loads }, place, { parity = false, first } = {}) {
  const at = (name, chunk) => (chunk >= 0 ? `${name}At${chunk}` : `${name}Before${-chunk}`);
  const lines = [];
  for (const chunk of upTo(chunksAStep)) {
    const further = chunk * chunkBytes;
    lines.push(`const inAt${chunk} = v128.load(source, ${further});`);
    if (parity) lines.push(`parity = ${xor("parity", `inAt${chunk}`)};`);
    const terms = [`inAt${chunk}`];
    if (first !== undefined && chunk === 0) terms.push(first);
    for (const { delay, lags } of [...loads].reverse()) {
      lines.push(`const back${delay}At${chunk} = ${read(place(delay), further)};`);
      for (const lag of lags) terms.push(at(`back${delay}`, chunk - lag));
    }
    for (const lag of near) terms.push(at("out", chunk - lag));
    lines.push(`const outAt${chunk} = ${xorAll(terms)};`, `v128.store(out, outAt${chunk}, ${further});`);
  }
  const carry = (name, lags) =>
    before(name, lags)
      .map((register, index) => `${register} = ${at(name, chunksAStep - 1 - index)};`)
      .reverse();
  return [...lines, ...carry("out", near), ...loads.flatMap(({ delay, lags }) => carry(`back${delay}`, lags))];
}

/** What is left, from where elimination stopped to `end`: ever fewer delays reach back to `out`. */
function settle({ delays }, place, advance) {
  const lines = ["let restLimit = source;"];
  let settledBytes = 0;
  for (const [index, delay] of [...delays, undefined].entries()) {
    const reachBytes = delay === undefined ? 0 : Math.ceil(delay / chunkBytes) * chunkBytes;
    lines.push(
      delay === undefined ? "restLimit = end;" : `restLimit = min(restLimit + ${reachBytes - settledBytes}, end);`,
    );
    settledBytes = reachBytes;
    lines.push(
      "while (source < restLimit) {",
      ...indent([
        "const chunk = v128.load(source);",
        "parity = v128.xor(parity, chunk);",
        `v128.store(rest, ${xorAll(["chunk", ...delays.slice(index).map((each) => read(place(each)))])});`,
        ...["source", "rest", advance].map((pointer) => `${pointer} += ${chunkBytes};`),
      ]),
      "}",
    );
  }
  return lines;
}

// Places in the region `folds`, each on a cache line of its own.
let foldsBytes = 0;
const reserve = (bytes) => {
  const start = foldsBytes;
  foldsBytes = Math.ceil((start + bytes) / 64) * 64;
  return start;
};
/** `out` with what lies before the message: zeros that nothing writes to but a head. */
const reserveOut = (set, bytes) => reserve(restBytes(set) + bytes) + restBytes(set);
const ring = reserve(ringBytes + stepBytes);
const largeRest = reserve(restBytes(large) + stepBytes);
const middleOut = reserveOut(middle, largeFromBytes);
const middleRest = reserve(restBytes(middle) + stepBytes);
const smallOut = reserveOut(small, middleFromBytes);

const signature = (name) => `export function ${name}(source: usize, sizeBytes: usize, head: v128, carry: v128): u32 {`;

function foldLarge() {
  const planned = plan(large.delays);
  const mask = ringBytes - 1;
  const inRing = (delay) => `ring + ((done - ${delay}) & ${mask})`;
  const phase = (loads, first) => [
    "while (done < limit) {",
    ...indent([
      `const out = ring + (done & ${mask});`,
      ...loads.map(({ delay }) => `const back${delay} = ${inRing(delay)};`),
      ...step({ ...planned, loads }, (delay) => ({ base: `back${delay}`, offset: 0 }), { parity: true, first }),
      ...(first === undefined ? [] : [`${first} = zero;`]),
      "// The ring's first step lies behind its end once more: a load may straddle the two.",
      "if (out === ring) {",
      ...upTo(chunksAStep).map((chunk) => `  v128.store(ring, outAt${chunk}, ${ringBytes + chunk * chunkBytes});`),
      "}",
      `source += ${stepBytes};`,
      `done += ${stepBytes};`,
    ]),
    "}",
  ];
  // The ring still holds the last message: a delay is loaded from the step on where it reaches the head.
  const firstPhases = planned.loads.flatMap(({ delay }, index) => [
    `limit = min(bulkBytes, ${Math.floor((delay - chunkBytes) / stepBytes) * stepBytes});`,
    ...phase(planned.loads.slice(0, index), index === 0 ? "first" : undefined),
  ]);
  const headPlace = ringBytes - chunkBytes;
  return [
    `/** A message of ${largeFromBytes} bytes and more. */`,
    signature("foldLarge"),
    ...indent([
      "const zero = v128.splat<i64>(0);",
      `const ring = folds + ${ring};`,
      ...upTo(chunksAStep).map((chunk) => `v128.store(ring, zero, ${headPlace - (chunk + 1) * chunkBytes});`),
      `v128.store(ring, head, ${headPlace});`,
      ...declareCarried(planned),
      "let parity = v128.xor(head, carry);",
      "let first = carry;",
      "const end = source + sizeBytes;",
      `const bulkBytes = (sizeBytes - ${large.delays.at(-1)}) & ~${stepBytes - 1};`,
      "let done: usize = 0;",
      "let limit: usize = 0;",
      ...firstPhases,
      "limit = bulkBytes;",
      ...phase(planned.loads),
      "",
      "// The rest's loads straddle the end of the bulk, too.",
      `v128.store(ring + (done & ${mask}), zero);`,
      `if ((done & ${mask}) === 0) v128.store(ring, zero, ${ringBytes});`,
      `let rest = folds + ${largeRest};`,
      ...settle(large, (delay) => ({ base: inRing(delay), offset: 0 }), "done"),
      `return withParity(parity, foldMiddle(folds + ${largeRest}, sizeBytes - bulkBytes, zero, zero));`,
    ]),
    "}",
  ];
}

/** Where `out` is as long as the message, a load's place is known from that of the store. */
const behind = (widest) => (delay) => ({ base: `out - ${widest}`, offset: widest - delay });

function prepareOut(start) {
  return [`let out = folds + ${start};`, `v128.store(out - ${chunkBytes}, head);`, "let first = carry;"];
}

function foldMiddle() {
  const planned = plan(middle.delays);
  const widest = middle.delays.at(-1);
  return [
    `/** A message of ${middleFromBytes} bytes and more, up to ${largeFromBytes}. */`,
    signature("foldMiddle"),
    ...indent([
      "const zero = v128.splat<i64>(0);",
      ...prepareOut(middleOut),
      ...declareCarried(planned),
      "let parity = v128.xor(head, carry);",
      "const end = source + sizeBytes;",
      `const bulkBytes = (sizeBytes - ${widest}) & ~${stepBytes - 1};`,
      "const bulkEnd = source + bulkBytes;",
      "while (source < bulkEnd) {",
      ...indent([
        ...step(planned, behind(widest), { parity: true, first: "first" }),
        "first = zero;",
        `source += ${stepBytes};`,
        `out += ${stepBytes};`,
      ]),
      "}",
      "",
      "// The rest's loads straddle the end of the bulk.",
      "v128.store(out, zero);",
      `let rest = folds + ${middleRest};`,
      ...settle(middle, behind(widest), "out"),
      `return withParity(parity, foldSmall(folds + ${middleRest}, sizeBytes - bulkBytes, zero, zero));`,
    ]),
    "}",
  ];
}

/** The 16 bytes at `position` of a row of registers, of which the first `eliminated` take part; null when none does. */
function sixteenAt(name, eliminated, position) {
  const chunk = Math.floor(position / chunkBytes);
  const shift = position - chunk * chunkBytes;
  const takesPart = (index) => index >= 0 && index < eliminated;
  const register = (index) => (takesPart(index) ? `${name}${index}` : "zero");
  if (shift === 0) return takesPart(chunk) ? register(chunk) : null;
  if (!takesPart(chunk) && !takesPart(chunk + 1)) return null;
  const lanes = upTo(chunkBytes).map((lane) => lane + shift);
  return `v128.shuffle<i8>(${register(chunk)}, ${register(chunk + 1)}, ${lanes.join(", ")})`;
}

/** What the first of `chunks` registers, all but `left`, are XORed into `chunk` as; what was made last is XORed in last. */
function eliminated({ delays }, name, chunks, left, chunk) {
  return [...delays]
    .reverse()
    .map((delay) => sixteenAt(name, Math.min(chunk, chunks - left), chunk * chunkBytes - delay))
    .filter((term) => term !== null);
}

function foldSmall() {
  const planned = plan(small.delays);
  const widest = small.delays.at(-1);
  const place = behind(widest);
  const chunks = restBytes(small) / chunkBytes;
  const [left, last] = [twelve, seven].map((set) => Math.ceil(set.delays.at(-1) / chunkBytes));
  return [
    `/** A message of ${restBytes(small)} bytes and more, up to ${middleFromBytes}. */`,
    signature("foldSmall"),
    ...indent([
      "const zero = v128.splat<i64>(0);",
      ...prepareOut(smallOut),
      ...declareCarried(planned),
      `const bulkEnd = source + sizeBytes - ${restBytes(small)};`,
      `const stepsEnd = source + ((sizeBytes - ${restBytes(small)}) & ~${stepBytes - 1});`,
      "while (source < stepsEnd) {",
      ...indent([
        ...step(planned, place, { first: "first" }),
        "first = zero;",
        `source += ${stepBytes};`,
        `out += ${stepBytes};`,
      ]),
      "}",
      "while (source < bulkEnd) {",
      ...indent([
        `v128.store(out, ${xorAll(["v128.load(source)", "first", ...[...small.delays].reverse().map((delay) => read(place(delay)))])});`,
        "first = zero;",
        `source += ${chunkBytes};`,
        `out += ${chunkBytes};`,
      ]),
      "}",
      "",
      "// The rest's loads straddle the end of the bulk.",
      "v128.store(out, zero);",
      ...upTo(chunks).map((chunk) => {
        const further = chunk * chunkBytes;
        const loads = small.delays.filter((delay) => delay > further).map((delay) => read(place(delay), further));
        const terms = eliminated(twelve, "rest", chunks, left, chunk);
        return `const rest${chunk} = ${xorAll([`v128.load(source, ${further})`, ...(chunk === 0 ? ["first"] : []), ...loads, ...terms])};`;
      }),
      ...upTo(left).map((chunk) => {
        const terms = eliminated(seven, "last", left, last, chunk);
        return `const last${chunk} = ${xorAll([`rest${chunks - left + chunk}`, ...terms])};`;
      }),
      "let remainder: u32 = 0;",
      ...upTo(last).map((chunk) => {
        const words = upTo(4).map((word) => `v128.extract_lane<u32>(last${left - last + chunk}, ${word})`);
        return `remainder = slice(${words[0]} ^ remainder, ${words.slice(1).join(", ")});`;
      }),
      "return remainder;",
    ]),
    "}",
  ];
}

const lines = [
  "// Generated by assembly/generate-crc32c.mjs, where the mathematics is; do not edit.",
  "",
  'import { slice } from "./crc32c-slices";',
  'import { folds } from "./memory";',
  "",
  "/** What is used of the region `folds`. */",
  `export const usedOfFolds: i32 = ${foldsBytes};`,
  "",
  "/** The shortest message of each size. Bytes. */",
  `export const smallFrom: i32 = ${smallFromBytes};`,
  `export const middleFrom: i32 = ${middleFromBytes};`,
  `export const largeFrom: i32 = ${largeFromBytes};`,
  "",
  "/** Right modulo Q; the message's parity tells whether Q is missing. */",
  "// @ts-ignore: decorator",
  "@inline",
  "function withParity(parity: v128, remainder: u32): u32 {",
  "  const message = v128.extract_lane<u64>(parity, 0) ^ v128.extract_lane<u64>(parity, 1);",
  `  return (popcnt<u64>(message ^ <u64>remainder) & 1) === 0 ? remainder : remainder ^ ${reflected(Q)};`,
  "}",
];
for (const body of [foldLarge(), foldMiddle(), foldSmall()]) lines.push("", ...body);
writeFileSync(fileURLToPath(new URL("crc32c-fold.generated.ts", import.meta.url)), `${lines.join("\n")}\n`);
