import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Command, header, MAX_PAYLOAD, MessageParser, ProtocolError } from './message.ts';

describe('MessageParser', () => {
  test('messages come out as they went in, however the stream is cut', () => {
    const message = fc.record({ arg0: fc.nat(), arg1: fc.nat(), payload: fc.uint8Array({ maxLength: 300 }) });
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (messages, cuts) => {
          const stream = Buffer.concat(
            messages.flatMap(({ arg0, arg1, payload }) => {
              const data = Buffer.from(payload);
              return [header(Command.WRTE, arg0, arg1, data, true), data];
            }),
          );
          const parser = new MessageParser();
          const found = [];
          for (let at = 0, turn = 0; at < stream.length; turn += 1) {
            const size = cuts[turn % cuts.length] ?? 1;
            for (const { arg0, arg1, payload } of parser.push(stream.subarray(at, at + size))) {
              found.push({ arg0, arg1, payload: new Uint8Array(payload) });
            }
            at += size;
          }
          expect(found).toEqual(
            messages.map(({ payload, ...rest }) => ({ ...rest, payload: new Uint8Array(payload) })),
          );
        },
      ),
    );
  });

  test('a length beyond the limit is refused before memory is taken', () => {
    const head = header(Command.WRTE, 1, 1, Buffer.alloc(0), false);
    head.writeUInt32LE(MAX_PAYLOAD + 1, 12);
    const parser = new MessageParser();
    parser.setLimit(MAX_PAYLOAD);
    expect(() => [...parser.push(head)]).toThrow(ProtocolError);
  });

  test('before CNXN the limit is 4096', () => {
    const head = header(Command.CNXN, 1, 1, Buffer.alloc(0), false);
    head.writeUInt32LE(4097, 12);
    expect(() => [...new MessageParser().push(head)]).toThrow(ProtocolError);
  });
});
