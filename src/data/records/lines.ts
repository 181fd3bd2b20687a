/** The lines of a data file, one at a time and each of bounded length, and what is said about a bad one. */
import { ExitCode, MftError } from '../../base/errors.ts';

export interface Line {
  /** Of the file, for messages. */
  name: string;
  /** From 1. */
  number: number;
  /** Without the line feed. Valid until the next line is asked for. */
  bytes: Buffer;
}

export const MAX_LINE_BYTES = 64 << 20;
const LINE_FEED = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** The lines of a file that comes in chunks (which may be used again). A byte order mark at its start is left out. */
export async function* linesOf(
  chunks: AsyncIterable<Buffer>,
  name: string,
  maxBytes: number = MAX_LINE_BYTES,
): AsyncGenerator<Line> {
  let number = 1;
  let held: Buffer[] = []; // copies: what came of a line before this chunk
  let heldBytes = 0;
  const tooLong = () => badRecord({ name, number }, `a line of at most ${maxBytes} bytes`, 'a longer one');
  const whole = (end: Buffer): Line => {
    if (heldBytes + end.length > maxBytes) throw tooLong();
    const bytes = held.length === 0 ? end : Buffer.concat([...held, end]);
    held = [];
    heldBytes = 0;
    return { name, number, bytes: number === 1 ? withoutMark(bytes) : bytes };
  };
  for await (const chunk of chunks) {
    let begin = 0;
    for (let feed = chunk.indexOf(LINE_FEED); feed >= 0; feed = chunk.indexOf(LINE_FEED, begin)) {
      yield whole(chunk.subarray(begin, feed));
      number += 1;
      begin = feed + 1;
    }
    if (begin === chunk.length) continue;
    heldBytes += chunk.length - begin;
    if (heldBytes > maxBytes) throw tooLong();
    held.push(Buffer.from(chunk.subarray(begin)));
  }
  if (heldBytes > 0) {
    heldBytes = 0; // whole() counts what it is given
    const bytes = Buffer.concat(held);
    held = [];
    yield whole(bytes);
  }
}

function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? bytes.subarray(3) : bytes;
}

/** "FILE line N: expected E, found F". Never the text itself: it may be private. */
export function badRecord(
  { name, number }: Pick<Line, 'name' | 'number'>,
  expected: string,
  found: string,
): MftError {
  return new MftError(`${name} line ${number}: expected ${expected}, found ${found}`, {
    code: 'data.bad-record',
    exit: ExitCode.usage,
    suggestions: ['Each line holds one record in JSON; docs/data.md has an example of each format.'],
    ref: 'docs/data.md',
  });
}

export function lineNotUtf8({ name, number }: Line, after: number): MftError {
  return new MftError(`${name} is not UTF-8: line ${number}, after byte ${after} of it`, {
    code: 'data.not-utf8',
    exit: ExitCode.usage,
    suggestions: ['Convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 FILE > converted.jsonl'],
  });
}
