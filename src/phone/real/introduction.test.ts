import { expect, test } from 'vitest';
import { checksumOf, header } from '../emulated/wire/message.ts';
import { Introduction } from './introduction.ts';

const CNXN = 0x4e584e43;
const properties = new Map([
  ['ro.product.name', 'shiba'],
  ['ro.product.model', 'Pixel 8'],
]);
const said = 'device::ro.product.name=;ro.product.model=;ro.product.device=;features=shell_v2,cmd';
const named =
  'device::ro.product.name=shiba;ro.product.model=Pixel 8;ro.product.device=;features=shell_v2,cmd';

function packet(command: number, text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([header(command, 0x01000001, 4096, payload, true), payload]);
}

test('adbd introduces itself with the names of the phone, however the bytes come', () => {
  const rest = Buffer.from('what follows ro.product.name=;');
  const bytes = Buffer.concat([packet(CNXN, said), rest]);
  for (const size of [1, 7, 24, 25, 100, bytes.length]) {
    const introduction = new Introduction(properties);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size)
      pieces.push(introduction.push(bytes.subarray(at, at + size)));
    const passed = Buffer.concat(pieces);
    expect(passed.subarray(24).toString()).toBe(named + rest);
    expect(passed.readUInt32LE(12)).toBe(named.length);
    expect(passed.readUInt32LE(16)).toBe(checksumOf(Buffer.from(named)));
    expect(passed.readUInt32LE(8)).toBe(4096);
  }
});

test('what is no introduction is passed on as it is', () => {
  for (const bytes of [packet(0x48545541, said), Buffer.alloc(5000, 0x41)]) {
    const introduction = new Introduction(properties);
    expect(introduction.push(bytes)).toEqual(bytes);
    expect(introduction.push(bytes)).toEqual(bytes);
  }
});
