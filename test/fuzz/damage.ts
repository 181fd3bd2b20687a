/** Arbitrary damage to sound inputs, for fast-check. */
import fc from 'fast-check';

/** Numbers at which sizes, counts and offsets go wrong. */
const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  7n,
  8n,
  9n,
  31n,
  64n,
  127n,
  128n,
  255n,
  256n,
  65_535n,
  65_536n,
  1_000_003n,
  2n ** 24n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 8n,
  2n ** 64n - 1n,
];

type Edit = (bytes: Buffer) => Buffer;

const place = fc.nat(0xffffffff);
const within = (at: number, bytes: Buffer) => (bytes.length === 0 ? 0 : at % bytes.length);

const edits: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(place, fc.nat(255)).map(
    ([at, value]): Edit =>
      (bytes) => {
        if (bytes.length > 0) bytes[within(at, bytes)] = value;
        return bytes;
      },
  ),
  fc.tuple(place, fc.constantFrom(1, 2, 4, 8), fc.constantFrom(...EDGES)).map(
    ([at, width, value]): Edit =>
      (bytes) => {
        const begin = within(at, bytes);
        for (let i = 0; i < width && begin + i < bytes.length; i += 1)
          bytes[begin + i] = Number((value >> BigInt(8 * i)) & 0xffn);
        return bytes;
      },
  ),
  place.map(
    (at): Edit =>
      (bytes) =>
        bytes.subarray(0, within(at, bytes)),
  ),
  fc.tuple(place, fc.nat(64)).map(
    ([at, count]): Edit =>
      (bytes) => {
        const begin = within(at, bytes);
        return Buffer.concat([bytes.subarray(0, begin), bytes.subarray(begin + count)]);
      },
  ),
  fc.tuple(place, place, fc.nat(64)).map(
    ([from, to, count]): Edit =>
      (bytes) => {
        const [begin, at] = [within(from, bytes), within(to, bytes)];
        return Buffer.concat([
          bytes.subarray(0, at),
          bytes.subarray(begin, begin + count),
          bytes.subarray(at),
        ]);
      },
  ),
  fc.tuple(place, fc.uint8Array({ maxLength: 12 })).map(
    ([at, more]): Edit =>
      (bytes) => {
        const begin = within(at, bytes);
        return Buffer.concat([bytes.subarray(0, begin), more, bytes.subarray(begin)]);
      },
  ),
);

/** One of the seeds with some edits, or bytes that are nobody's. */
export function damagedBytes(seeds: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const damaged = fc
    .tuple(fc.constantFrom(...seeds), fc.array(edits, { minLength: 1, maxLength: 5 }))
    .map(([seed, list]) => list.reduce<Buffer>((bytes, edit) => edit(bytes), Buffer.from(seed)));
  const foreign = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ weight: 9, arbitrary: damaged }, { weight: 1, arbitrary: foreign });
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What stands where something else was expected. */
const HOSTILE: readonly Json[] = [
  null,
  true,
  -1,
  0,
  0.5,
  1e300,
  -1e300,
  2 ** 31,
  2 ** 53,
  2 ** 60,
  '',
  '__proto__',
  '\ud800',
  '\u0000',
  '\u001b[2J',
  '../../etc/passwd',
  'x'.repeat(5000),
  [],
  {},
  [[]],
  [null],
  JSON.parse('{"__proto__":{"x":1}}'),
  Array.from({ length: 3 }, () => 'a'),
];

/** Every value in a tree: the container and the key. */
function* slots(value: Json): Generator<[Json[] | { [key: string]: Json }, string]> {
  if (typeof value !== 'object' || value === null) return;
  for (const key of Object.keys(value)) {
    yield [value, key];
    yield* slots((value as { [key: string]: Json })[key] ?? null);
  }
}

function put(container: Json[] | { [key: string]: Json }, key: string, value: Json): void {
  Object.defineProperty(container, key, { value, writable: true, enumerable: true, configurable: true });
}

/** A JSON seed in which some values are others, are missing, or have company. */
export function damagedJson(seeds: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const change = fc.record({
    at: place,
    kind: fc.constantFrom('replace', 'replace', 'swap', 'remove', 'add'),
    other: place,
    value: fc.oneof(fc.constantFrom(...HOSTILE), fc.integer(), fc.string()),
  });
  return fc
    .tuple(fc.constantFrom(...seeds), fc.array(change, { minLength: 1, maxLength: 4 }))
    .map(([seed, changes]) => {
      const root = JSON.parse(seed.toString()) as Json;
      for (const { at, kind, other, value } of changes) {
        const all = [...slots(root)];
        const found = all[at % Math.max(1, all.length)];
        const from = all[other % Math.max(1, all.length)];
        if (found === undefined || from === undefined) continue;
        const [container, key] = found;
        const taken = (from[0] as { [key: string]: Json })[from[1]] ?? null;
        if (kind === 'remove' && !Array.isArray(container)) delete container[key];
        else if (kind === 'remove') (container as Json[]).splice(Number(key), 1);
        else if (kind === 'add' && Array.isArray(container)) container.push(value);
        else if (kind === 'add') put(container, JSON.stringify(value), value);
        else put(container, key, structuredClone(kind === 'swap' ? taken : value));
      }
      return Buffer.from(JSON.stringify(root));
    });
}
