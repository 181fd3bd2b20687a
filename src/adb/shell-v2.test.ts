import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  encodeShellPacket,
  ShellDecoder,
  ShellId,
  type ShellOutput,
  ShellProtocolError,
} from './shell-v2.ts';

function decode(stream: Buffer, cuts: number[]): ShellOutput[] {
  const decoder = new ShellDecoder();
  const outputs: ShellOutput[] = [];
  for (let at = 0, i = 0; at < stream.length; i += 1) {
    const size = cuts[i % cuts.length] ?? 1;
    outputs.push(...decoder.push(stream.subarray(at, at + size)));
    at += size;
  }
  return outputs;
}

function joined(outputs: ShellOutput[], kind: 'stdout' | 'stderr'): Buffer {
  return Buffer.concat(outputs.flatMap((output) => (output.kind === kind ? [output.data] : [])));
}

test('packets survive any cutting of the stream', () => {
  const packet = fc.tuple(fc.constantFrom(ShellId.stdout, ShellId.stderr), fc.uint8Array({ maxLength: 300 }));
  fc.assert(
    fc.property(
      fc.array(packet, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 61 }), { minLength: 1, maxLength: 9 }),
      fc.integer({ min: 0, max: 255 }),
      (packets, cuts, code) => {
        const stream = Buffer.concat([
          ...packets.map(([id, payload]) => encodeShellPacket(id, payload)),
          encodeShellPacket(ShellId.exit, Buffer.from([code])),
        ]);
        const outputs = decode(stream, cuts);
        const of = (wanted: number) =>
          Buffer.concat(packets.filter(([id]) => id === wanted).map(([, payload]) => payload));
        expect(joined(outputs, 'stdout')).toEqual(of(ShellId.stdout));
        expect(joined(outputs, 'stderr')).toEqual(of(ShellId.stderr));
        expect(outputs.filter(({ kind }) => kind === 'exit')).toEqual([{ kind: 'exit', code }]);
        expect(outputs.at(-1)?.kind).toBe('exit');
      },
    ),
  );
});

test('a length of 4 GiB allocates nothing and passes what comes', () => {
  const decoder = new ShellDecoder();
  const header = Buffer.from([ShellId.stdout, 0xff, 0xff, 0xff, 0xff]);
  expect([...decoder.push(Buffer.concat([header, Buffer.from('abc')]))]).toEqual([
    { kind: 'stdout', data: Buffer.from('abc') },
  ]);
  expect([...decoder.push(Buffer.from('def'))]).toEqual([{ kind: 'stdout', data: Buffer.from('def') }]);
});

test('an unknown packet or a wrong exit packet is an error', () => {
  expect(() => [...new ShellDecoder().push(Buffer.from([9, 1, 0, 0, 0, 0]))]).toThrow(ShellProtocolError);
  expect(() => [...new ShellDecoder().push(Buffer.from([3, 0, 0, 0, 0]))]).toThrow(ShellProtocolError);
  expect(() => [...new ShellDecoder().push(Buffer.from([3, 2, 0, 0, 0, 0, 0]))]).toThrow(ShellProtocolError);
});
