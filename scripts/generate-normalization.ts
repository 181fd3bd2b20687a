/**
 * Writes device-runtime/text/nfc_tables.cc: what Unicode's canonical normalisation (UAX #15) needs to know of each code point,
 * from Node's own String.prototype.normalize.
 *
 *     node scripts/generate-normalization.ts
 *
 * The reference is the normalizer NFC of the `tokenizers` library (0.23), whose tables are those of Unicode 9.0; what later
 * versions added is listed here and left as it is. test/fixtures/tokenizer/unicode-classes.json holds what the library makes
 * of every code point, and a test compares.
 */
import { writeFileSync } from 'node:fs';

const NODE_UNICODE = '17.0';
const CODE_POINTS = 0x110000;
const BLOCK = 256;

/** Characters with a combining class or a decomposition that are younger than Unicode 9.0, first and last. */
const younger: [number, number][] = [
  [0x07fd, 0x07fd],
  [0x0897, 0x089f],
  [0x08ca, 0x08d3],
  [0x09fe, 0x09fe],
  [0x0c3c, 0x0c3c],
  [0x0d3b, 0x0d3c],
  [0x0eba, 0x0eba],
  [0x1715, 0x1715],
  [0x1abf, 0x1add],
  [0x1ae0, 0x1aeb],
  [0x1df6, 0x1dfa],
  [0xa82c, 0xa82c],
  [0x105c9, 0x105c9],
  [0x105e4, 0x105e4],
  [0x10d24, 0x10d27],
  [0x10d69, 0x10d6d],
  [0x10eab, 0x10eac],
  [0x10efa, 0x10efb],
  [0x10efd, 0x10eff],
  [0x10f46, 0x10f50],
  [0x10f82, 0x10f85],
  [0x11070, 0x11070],
  [0x1133b, 0x1133b],
  [0x11383, 0x11383],
  [0x11385, 0x11385],
  [0x1138e, 0x1138e],
  [0x11391, 0x11391],
  [0x113c5, 0x113c5],
  [0x113c7, 0x113c8],
  [0x113ce, 0x113d0],
  [0x1145e, 0x1145e],
  [0x11839, 0x1183a],
  [0x11938, 0x11938],
  [0x1193d, 0x1193e],
  [0x11943, 0x11943],
  [0x119e0, 0x119e0],
  [0x11a34, 0x11a34],
  [0x11a47, 0x11a47],
  [0x11a99, 0x11a99],
  [0x11d42, 0x11d42],
  [0x11d44, 0x11d45],
  [0x11d97, 0x11d97],
  [0x11f41, 0x11f42],
  [0x16121, 0x16128],
  [0x1612f, 0x1612f],
  [0x16d68, 0x16d6a],
  [0x16ff0, 0x16ff1],
  [0x1e08f, 0x1e08f],
  [0x1e130, 0x1e136],
  [0x1e2ae, 0x1e2ae],
  [0x1e2ec, 0x1e2ef],
  [0x1e4ec, 0x1e4ef],
  [0x1e5ee, 0x1e5ef],
  [0x1e6e3, 0x1e6e3],
  [0x1e6e6, 0x1e6e6],
  [0x1e6ee, 0x1e6ef],
  [0x1e6f5, 0x1e6f5],
];

/** A bit of a code point's property: NFC may change it, alone or with what stands before it. */
const UNSTABLE = 0x80;

const isHangul = (codePoint: number): boolean => codePoint >= 0xac00 && codePoint < 0xac00 + 11172;
const known = Array.from(
  { length: CODE_POINTS },
  (_, c) => !(c >= 0xd800 && c < 0xe000) && !younger.some(([first, last]) => c >= first && c <= last),
);
const text = String.fromCodePoint;
const points = (string: string): number[] => Array.from(string, (char) => char.codePointAt(0) ?? 0);
const nfd = (string: string): string => string.normalize('NFD');

/** Whether canonical ordering puts b before a: 0 < class(b) < class(a). */
const swaps = (a: number, b: number): boolean => nfd(text(a, b)) === text(b, a) && a !== b;

/** Code points of a combining class above 0, with the class's place in the order of classes, from 1. */
function combiningClasses(): Map<number, number> {
  const LOWEST = 0x334; // class 1
  const HIGHEST = 0x345; // class 240
  const marks: number[] = [];
  for (let c = 0; c < CODE_POINTS; c += 1) {
    if (known[c] !== true || nfd(text(c)) !== text(c)) continue;
    if (swaps(HIGHEST, c) || swaps(c, LOWEST) || c === LOWEST || c === HIGHEST) marks.push(c);
  }
  marks.sort((a, b) => (swaps(a, b) ? 1 : swaps(b, a) ? -1 : a - b));
  const classes = new Map<number, number>();
  let place = 1;
  for (const [i, mark] of marks.entries()) {
    if (i > 0 && swaps(mark, marks[i - 1] ?? mark)) place += 1;
    classes.set(mark, place);
  }
  return classes;
}

/** [first, second, what they compose to], Hangul aside, sorted. */
function compositions(): [number, number, number][] {
  const found: [number, number, number][] = [];
  for (let c = 0; c < CODE_POINTS; c += 1) {
    if (known[c] !== true || isHangul(c)) continue;
    const parts = points(nfd(text(c)));
    if (parts.length < 2 || text(c).normalize('NFC') !== text(c)) continue;
    const second = parts.pop() ?? 0;
    const first = points(text(...parts).normalize('NFC'));
    if (first.length !== 1 || first[0] === undefined || text(first[0], second).normalize('NFC') !== text(c)) {
      throw new Error(`U+${c.toString(16)} does not compose of two`);
    }
    found.push([first[0], second, c]);
  }
  return found.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}

function main(): void {
  if (process.versions.unicode !== NODE_UNICODE) {
    throw new Error(
      `this Node has Unicode ${process.versions.unicode}; the list above is for ${NODE_UNICODE}`,
    );
  }
  const classes = combiningClasses();
  const composed = compositions();
  const seconds = new Set(composed.map(([, second]) => second));
  for (let c = 0x1161; c <= 0x1175; c += 1) seconds.add(c); // Hangul vowels
  for (let c = 0x11a8; c <= 0x11c2; c += 1) seconds.add(c); // and final consonants

  const from: number[] = [];
  const at: number[] = [];
  const to: number[] = [];
  const properties = new Uint8Array(CODE_POINTS);
  for (let c = 0; c < CODE_POINTS; c += 1) {
    if (known[c] !== true) continue;
    const changes = text(c).normalize('NFC') !== text(c);
    properties[c] = (classes.get(c) ?? 0) | (changes || seconds.has(c) ? UNSTABLE : 0);
    if (isHangul(c) || nfd(text(c)) === text(c)) continue;
    from.push(c);
    at.push(to.length);
    to.push(...points(nfd(text(c))));
  }
  at.push(to.length);

  const blocks = new Map<string, number>();
  const bytes: number[] = [];
  const index: number[] = [];
  for (let first = 0; first < CODE_POINTS; first += BLOCK) {
    const block = [...properties.subarray(first, first + BLOCK)];
    const key = block.join();
    let number = blocks.get(key);
    if (number === undefined) {
      number = blocks.size;
      blocks.set(key, number);
      bytes.push(...block);
    }
    index.push(number);
  }
  if (blocks.size > 256) throw new Error('more blocks than a byte can number');

  const lines = (items: (string | number)[], perLine: number) =>
    Array.from(
      { length: Math.ceil(items.length / perLine) },
      (_, i) => `    ${items.slice(i * perLine, (i + 1) * perLine).join(', ')},`,
    ).join('\n');
  const hex = (value: number) => `0x${value.toString(16)}`;
  const source = `// Generated by scripts/generate-normalization.ts: Unicode 9.0. Do not edit.
#include "text/nfc_tables.h"

namespace mft::nfc_tables {

const std::uint8_t kBlockOf[${index.length}] = {
${lines(index, 20)}
};

const std::uint8_t kBlocks[${bytes.length}] = {
${lines(bytes, 24)}
};

const std::size_t kDecompositions = ${from.length};
const std::uint32_t kDecomposeFrom[${from.length}] = {
${lines(from.map(hex), 10)}
};
const std::uint16_t kDecomposeAt[${at.length}] = {
${lines(at, 16)}
};
const std::uint32_t kDecomposeTo[${to.length}] = {
${lines(to.map(hex), 10)}
};

const std::size_t kCompositions = ${composed.length};
const Composition kCompose[${composed.length}] = {
${lines(
  composed.map((triple) => `{${triple.map(hex).join(', ')}}`),
  4,
)}
};

}  // namespace mft::nfc_tables
`;
  writeFileSync(new URL('../device-runtime/text/nfc_tables.cc', import.meta.url), source);
}

main();
