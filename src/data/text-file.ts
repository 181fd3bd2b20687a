/**
 * A text file looked at on the host before it is pushed: present, not empty, valid UTF-8. One pass, bounded memory; the
 * hash that names it in the device store comes out of the same pass.
 */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { ExitCode, MftError } from '../base/errors.ts';
import type { Operation } from '../base/progress.ts';
import { openData } from './open.ts';

export interface TextFile {
  path: string;
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
  /** Line feeds, plus one for a last line without one. */
  lines: number;
}

const CHUNK = 1 << 20;
const LINE_FEED = 0x0a;

/**
 * @throws MftError data.not-found, data.not-a-file, data.unreadable, data.empty, data.not-utf8 (with byte offset and line).
 */
export async function inspectTextFile(path: string, operation: Operation = {}): Promise<TextFile> {
  const file = await openData(path);
  try {
    const total = (await file.stat()).size;
    const hash = createHash('sha256');
    const buffer = Buffer.alloc(CHUNK);
    let held = 0; // bytes at the front of the buffer: a sequence that the last chunk cut
    let checked = 0; // bytes of the file known to be valid
    let lines = 0;
    let lastByte = LINE_FEED;
    for (;;) {
      operation.signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, held, CHUNK - held, null);
      hash.update(buffer.subarray(held, held + bytesRead));
      const have = held + bytesRead;
      if (have === 0) break;
      const whole = bytesRead === 0 ? have : wholeSequences(buffer.subarray(0, have));
      const part = buffer.subarray(0, whole);
      if (!isUtf8(part)) throw notUtf8(path, part, checked, lines);
      lines += countLines(part);
      lastByte = part[whole - 1] ?? lastByte;
      checked += whole;
      buffer.copyWithin(0, whole, have);
      held = have - whole;
      operation.onProgress?.({ phase: 'checking data', done: checked, total, unit: 'bytes' });
      if (bytesRead === 0) break;
    }
    if (checked === 0)
      throw new MftError(`${path} is empty`, {
        code: 'data.empty',
        exit: ExitCode.usage,
        suggestions: ['Give a text file with something to learn from.'],
      });
    return {
      path,
      bytes: checked,
      sha256: hash.digest('hex'),
      lines: lines + (lastByte === LINE_FEED ? 0 : 1),
    };
  } finally {
    await file.close();
  }
}

/** Length of the longest prefix that does not end inside a UTF-8 sequence (as far as lead bytes tell). */
function wholeSequences(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) lines += 1;
  return lines;
}

function notUtf8(path: string, bytes: Buffer, offset: number, linesBefore: number): MftError {
  const at = firstInvalid(bytes);
  const line = linesBefore + countLines(bytes.subarray(0, at)) + 1;
  const hex = [...bytes.subarray(at, at + 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const utf16 = offset === 0 && /^(fffe|feff)/.test(bytes.toString('hex', 0, 2));
  return new MftError(`${path} is not UTF-8: line ${line}, byte ${offset + at} (${hex})`, {
    code: 'data.not-utf8',
    exit: ExitCode.usage,
    suggestions: [
      utf16
        ? `It looks like UTF-16: iconv -f UTF-16 -t UTF-8 '${path}' > converted.txt`
        : `Convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 '${path}' > converted.txt`,
    ],
  });
}

/** Offset of the first byte that does not begin a valid sequence. */
export function firstInvalid(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at] ?? 0;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length > 1 && !(at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)))) return at;
    at += length;
  }
  return at;
}
