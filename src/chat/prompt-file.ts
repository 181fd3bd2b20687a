/** Prompts from a file or from standard input: one a line, or JSON Lines of {"prompt"}. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';

const LIMIT = 8 << 20;

/**
 * A file whose first line that is not blank is a JSON object is JSON Lines: every line is one then, with a `prompt` that is a
 * text; other fields are ignored. Otherwise each line is a prompt as it stands. Blank lines are left out.
 *
 * @param path `-`: standard input
 * @throws MftError data.*, which names the line.
 */
export async function readPrompts(path: string, stdin: Readable = process.stdin): Promise<string[]> {
  const name = path === '-' ? 'standard input' : path;
  const lines = decode(await readAll(path, name, stdin), name)
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/);
  const numbered = lines.map((text, at) => ({ text, line: at + 1 })).filter(({ text }) => text.trim() !== '');
  const isJson = numbered[0]?.text.trimStart().startsWith('{') && parsed(numbered[0].text) !== undefined;
  const prompts = isJson
    ? numbered.map(({ text, line }) => promptOf(text, name, line))
    : numbered.map(({ text }) => text);
  if (prompts.length > 0) return prompts;
  throw problem('data.empty', `${name} holds no prompt`);
}

async function readAll(path: string, name: string, stdin: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    if (path !== '-' && !(await stat(path)).isFile())
      throw problem('data.not-a-file', `${name} is not a file`);
    for await (const chunk of path === '-' ? stdin : createReadStream(path)) {
      chunks.push(Buffer.from(chunk as Uint8Array));
      bytes += (chunk as Uint8Array).length;
      if (bytes > LIMIT) throw problem('data.too-large', `${name} holds more than ${formatBytes(LIMIT)}`);
    }
  } catch (error) {
    if (error instanceof MftError) throw error;
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (missing) throw problem('data.not-found', `there is no file ${name}`);
    throw problem('data.unreadable', `${name} can't be read: ${messageOf(error)}`);
  }
  return Buffer.concat(chunks);
}

function decode(bytes: Buffer, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw problem('data.not-utf8', `${name} is not UTF-8`);
  }
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function promptOf(text: string, name: string, line: number): string {
  const prompt = parsed(text)?.prompt;
  if (typeof prompt === 'string' && prompt !== '' && prompt.isWellFormed()) return prompt;
  const found =
    parsed(text) === undefined
      ? 'something else'
      : prompt === undefined
        ? 'no such field'
        : prompt === ''
          ? 'an empty one'
          : typeof prompt === 'string'
            ? 'half of a surrogate pair in it'
            : `a value that is no text`;
  throw problem('data.bad-record', `${name} line ${line}: expected {"prompt": "..."}, found ${found}`);
}

function problem(code: string, message: string): MftError {
  return new MftError(message, { code, exit: ExitCode.usage });
}
