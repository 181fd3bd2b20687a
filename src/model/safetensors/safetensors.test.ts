import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MftError } from '../../base/errors.ts';
import { narrow } from '../tensors/float.ts';
import { openSafetensors, openSharded } from './reader.ts';
import { type TensorPlan, writeSafetensors } from './writer.ts';

let dir = '';
let serial = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mft-safetensors-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function fresh(): string {
  serial += 1;
  return join(dir, `${serial}.safetensors`);
}

/** A file with this header text and this many bytes of data, whatever they claim. */
async function raw(header: string, data: number, claimed?: bigint): Promise<string> {
  const path = fresh();
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimed ?? BigInt(Buffer.byteLength(header)));
  await writeFile(path, Buffer.concat([length, Buffer.from(header), Buffer.alloc(data)]));
  return path;
}

async function failure(path: string): Promise<MftError> {
  const thrown = await openSafetensors(path).then(
    (reader) => reader.close(),
    (error: unknown) => error,
  );
  if (!(thrown instanceof MftError)) throw new Error('expected an MftError');
  expect(thrown.message).toContain(path);
  return thrown;
}

const entry = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') =>
  JSON.stringify({ dtype, shape, data_offsets: [begin, end] });

test('what is written is read back, in any type and by any ranges', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(
        fc.record({
          name: fc.string({ minLength: 1, maxLength: 12 }).filter((name) => name !== '__metadata__'),
          shape: fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 3 }),
          type: fc.constantFrom('f32' as const, 'bf16' as const, 'f16' as const),
        }),
        { maxLength: 6, selector: (tensor) => tensor.name },
      ),
      fc.integer({ min: 1, max: 50 }),
      async (plans, step) => {
        const path = fresh();
        const size = (plan: TensorPlan) => plan.shape.reduce((a, b) => a * b, 1);
        const values = new Map(
          plans.map((plan, k) => [
            plan.name,
            Float32Array.from({ length: size(plan) }, (_, i) => Math.fround((i * 37 + k) * 0.013 - 2)),
          ]),
        );
        await writeSafetensors(path, plans, function* (plan) {
          const all = values.get(plan.name) ?? new Float32Array();
          for (let at = 0; at < all.length; at += step) yield all.slice(at, at + step);
        });
        const reader = await openSafetensors(path);
        expect([...reader.shapes.keys()].sort()).toEqual(plans.map((plan) => plan.name).sort());
        for (const plan of plans) {
          expect(reader.shapes.get(plan.name)).toEqual(plan.shape);
          const got: number[] = [];
          for (let at = 0; at < size(plan); at += 5)
            got.push(...(await reader.read(plan.name, at, Math.min(at + 5, size(plan)))));
          const whole = Float32Array.from(got);
          const expected = values.get(plan.name) ?? new Float32Array();
          expect(narrow(whole, plan.type)).toEqual(narrow(expected, plan.type));
        }
        await reader.close();
      },
    ),
    { numRuns: 40 },
  );
});

test('a writer given too few or too many elements fails', async () => {
  const plan: TensorPlan[] = [{ name: 'x', shape: [3], type: 'f32' }];
  await expect(writeSafetensors(fresh(), plan, () => [new Float32Array(2)])).rejects.toThrow(RangeError);
  await expect(writeSafetensors(fresh(), plan, () => [new Float32Array(4)])).rejects.toThrow(RangeError);
});

test('a value beyond the range of the written type is an error, not an infinity', async () => {
  const plan: TensorPlan[] = [{ name: 't', shape: [3], type: 'f16' }];
  await writeSafetensors(fresh(), plan, () => [Float32Array.of(65504, -Infinity, Number.NaN)]);
  const thrown = await writeSafetensors(fresh(), plan, () => [Float32Array.of(1, -65520, 1)]).catch(
    (error) => error,
  );
  expect(thrown).toMatchObject({ code: 'model.value-range' });
  expect(thrown.message).toMatch(/tensor t can't be written as f16/);
});

test('hostile headers end in an error that names the place', async () => {
  const empty = await raw('', 0);
  await truncate(empty, 0);
  const cases: [string, string, RegExp][] = [
    ['a header of 2^60 bytes', await raw('{}', 0, 1n << 60n), /claims 1152921504606846976 bytes/],
    ['a header of 2^64-1 bytes', await raw('{}', 0, (1n << 64n) - 1n), /claims 18446744073709551615/],
    ['a header longer than the file', await raw('{}', 0, 3n), /the file has 10/],
    ['overlap', await raw(`{"a":${entry(0, 8)},"b":${entry(4, 12)}}`, 12), /"b" overlaps/],
    ['the same bytes twice', await raw(`{"a":${entry(0, 8)},"b":${entry(0, 8)}}`, 8), /overlaps/],
    ['a hole', await raw(`{"a":${entry(0, 8)},"b":${entry(12, 16)}}`, 16), /"b" leaves a hole/],
    ['bytes nobody owns', await raw(`{"a":${entry(0, 8)}}`, 16), /cover 8/],
    ['an offset beyond the file', await raw(`{"a":${entry(0, 4096)}}`, 8), /lie outside/],
    ['offsets turned round', await raw(`{"a":${entry(8, 0, [2])}}`, 8), /lie outside/],
    ['a negative offset', await raw(`{"a":${entry(-4, 4)}}`, 8), /not a pair/],
    ['a fractional offset', await raw(`{"a":${entry(0.5, 4.5, [1])}}`, 8), /not a pair/],
    [
      'an offset of 2^64',
      await raw(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551616]}}',
        8,
      ),
      /not a pair/,
    ],
    [
      'a shape whose product overflows',
      await raw(`{"a":${entry(0, 8, [2 ** 32, 2 ** 32, 2 ** 32])}}`, 8),
      /needs/,
    ],
    [
      'a shape that wraps to the right size',
      await raw(`{"a":${entry(0, 8, [2 ** 52, 2 ** 12, 2])}}`, 8),
      /needs/,
    ],
    ['a shape of the wrong size', await raw(`{"a":${entry(0, 8, [3])}}`, 8), /needs 12 bytes/],
    [
      'a shape that is a string',
      await raw('{"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}}', 8),
      /shape/,
    ],
    ['a wrong dtype', await raw(`{"a":${entry(0, 8, [2], 'F31')}}`, 8), /unknown dtype "F31"/],
    ['a dtype of the prototype', await raw(`{"a":${entry(0, 8, [2], 'constructor')}}`, 8), /unknown dtype/],
    ['a key twice', await raw(`{"a":${entry(0, 8)},"\\u0061":${entry(0, 8)}}`, 8), /"a" appears twice/],
    ['an unknown field', await raw('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}', 8), /"x"/],
    ['an array', await raw('[]', 0), /not a JSON object/],
    ['not JSON', await raw('{"a":', 0), /malformed/],
    ['deep nesting', await raw(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 0), /nested deeper/],
    ['metadata that is not strings', await raw('{"__metadata__":{"a":1}}', 0), /__metadata__/],
    ['an empty file', empty, /only 0 bytes/],
  ];
  const started = performance.now();
  const before = process.memoryUsage();
  for (const [what, path, message] of cases) {
    const error = await failure(path);
    expect(error.message, what).toMatch(message);
    expect(error.message.length, what).toBeLessThan(1000);
    expect(['model.safetensors-malformed', 'model.json-malformed']).toContain(error.code);
  }
  expect(performance.now() - started).toBeLessThan(3000);
  expect(process.memoryUsage().arrayBuffers - before.arrayBuffers).toBeLessThan(64 << 20);
});

test('arbitrary bytes never do anything but fail or open', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, framed) => {
      const path = framed ? await raw(Buffer.from(bytes).toString('latin1'), 3) : fresh();
      if (!framed) await writeFile(path, bytes);
      const thrown = await openSafetensors(path).then(
        (reader) => reader.close(),
        (error: unknown) => error,
      );
      if (thrown !== undefined) expect(thrown).toBeInstanceOf(MftError);
    }),
    { numRuns: 150 },
  );
});

test('a file cut while it is read is an error, an unsupported type is named', async () => {
  const path = fresh();
  await writeSafetensors(path, [{ name: 'x', shape: [64], type: 'f32' }], () => [new Float32Array(64)]);
  const reader = await openSafetensors(path);
  await truncate(path, 200);
  await expect(reader.read('x', 0, 64)).rejects.toThrow(/it ends at byte/);
  await reader.close();
  const ints = await openSafetensors(await raw(`{"mask":${entry(0, 8, [1], 'I64')}}`, 8));
  expect(ints.shapes.get('mask')).toEqual([1]);
  await expect(ints.read('mask', 0, 1)).rejects.toThrow(/"mask" is I64/);
  await ints.close();
});

test('shards: each tensor from its file; an index that lies is refused', async () => {
  for (const [name, value] of [
    ['a', 1],
    ['b', 2],
  ] as const)
    await writeSafetensors(join(dir, `${name}.safetensors`), [{ name, shape: [2], type: 'bf16' }], () => [
      new Float32Array([value, -value]),
    ]);
  const index = async (map: unknown) => {
    await writeFile(join(dir, 'index.json'), JSON.stringify({ weight_map: map }));
    return openSharded(dir, 'index.json');
  };
  const reader = await index({ a: 'a.safetensors', b: 'b.safetensors' });
  expect([...(await reader.read('a', 0, 2)), ...(await reader.read('b', 1, 2))]).toEqual([1, -1, -2]);
  await reader.close();
  await expect(index({ a: 'b.safetensors' })).rejects.toThrow(/which lacks it/);
  await expect(index({ a: '../a.safetensors' })).rejects.toThrow(/not a plain file name/);
  await expect(index({ a: 'none.safetensors' })).rejects.toThrow(/can't be opened/);
  await expect(index(undefined)).rejects.toThrow(/weight_map is missing/);
});
