/** Lines of a benchmark's file: UTF-8, one at a time, of bounded length. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import { badRecord } from './bad-record.ts';

/** As long as a line of a data file may be. */
const MAX_LINE = 64 << 20;

/**
 * Pieces of a file's text as they are read.
 *
 * @throws MftError data.not-found, data.not-a-file, data.unreadable, data.not-utf8
 */
export async function* readText(file: string): AsyncGenerator<string, void, void> {
  const about = await stat(file).catch(() => undefined);
  if (about?.isFile() !== true)
    throw new MftError(about ? `${file} is not a file` : `there is no file ${file}`, {
      code: about ? 'data.not-a-file' : 'data.not-found',
      exit: ExitCode.usage,
      suggestions: ['Check the path given to --data.'],
    });
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let lines = 1;
  const decode = (bytes?: Uint8Array) => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch (cause) {
      throw new MftError(`${file} is not UTF-8, at line ${lines} or shortly after`, {
        code: 'data.not-utf8',
        exit: ExitCode.usage,
        suggestions: [`Convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 '${file}' > converted`],
        cause,
      });
    }
  };
  try {
    for await (const chunk of createReadStream(file)) {
      const text = decode(chunk);
      lines += text.split('\n').length - 1;
      yield text;
    }
  } catch (cause) {
    if (cause instanceof MftError) throw cause;
    throw new MftError(`${file} can't be read: ${messageOf(cause)}`, {
      code: 'data.unreadable',
      exit: ExitCode.usage,
      cause,
    });
  }
  yield decode();
}

export interface Line {
  /** From 1. */
  number: number;
  text: string;
}

/** Lines without their ends (LF or CRLF), blank ones left out. @throws as readText; MftError data.bad-record */
export async function* readLines(file: string): AsyncGenerator<Line, void, void> {
  let number = 0;
  let held = '';
  const line = (text: string): Line => ({ number, text: text.endsWith('\r') ? text.slice(0, -1) : text });
  for await (const piece of readText(file)) {
    const parts = piece.split('\n');
    parts[0] = held + parts[0];
    held = parts.pop() ?? '';
    for (const part of parts) {
      number += 1;
      if (part.trim() !== '') yield line(part);
    }
    if (held.length > MAX_LINE)
      throw badRecord(file, number + 1, `a line of up to ${MAX_LINE} bytes`, 'a longer one');
  }
  number += 1;
  if (held.trim() !== '') yield line(held);
}
