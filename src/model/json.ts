/**
 * JSON of model folders, read strictly: an object, no key twice in one object (JSON.parse would silently take the last),
 * nesting bounded, file size bounded.
 */
import { open } from 'node:fs/promises';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';

export type JsonObject = Record<string, unknown>;

const MAX_DEPTH = 64;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws MftError model.json-malformed, naming `place` (a path). */
export function parseJsonObject(text: string, place: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed(place, messageOf(cause).slice(0, 200), cause);
  }
  const fault = jsonFault(text);
  if (fault !== undefined) throw malformed(place, fault);
  if (!isObject(value)) throw malformed(place, 'not a JSON object');
  return value;
}

/** @throws MftError model.file-missing, model.file-too-large, model.json-malformed. */
export async function readJsonObject(path: string, limit: number): Promise<JsonObject> {
  return parseJsonObject((await readBounded(path, limit)).toString('utf8'), path);
}

/** A whole small file; its size is checked before anything is allocated for it. */
export async function readBounded(path: string, limit: number): Promise<Buffer<ArrayBuffer>> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new MftError(`${path} can't be read: ${messageOf(cause)}`, {
      code: 'model.file-missing',
      exit: ExitCode.usage,
      cause,
    });
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > limit)
      throw new MftError(
        stat.isFile()
          ? `${path} has ${stat.size} bytes, more than ${limit}`
          : `${path} is not a regular file`,
        { code: 'model.file-too-large', exit: ExitCode.usage },
      );
    const bytes = Buffer.alloc(stat.size);
    let have = 0;
    while (have < bytes.length) {
      const { bytesRead } = await file.read(bytes, have, bytes.length - have, have);
      if (bytesRead === 0) return bytes.subarray(0, have);
      have += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

function malformed(place: string, why: string, cause?: unknown): MftError {
  return new MftError(`${place} is malformed: ${why}`, {
    code: 'model.json-malformed',
    exit: ExitCode.usage,
    suggestions: ['Download the file again; it is probably incomplete.'],
    cause,
  });
}

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

/** What is wrong with nesting or keys of a text that JSON.parse has taken, in words. One pass, linear. */
export function jsonFault(text: string): string | undefined {
  const levels: (Set<string> | undefined)[] = []; // keys seen in an object; undefined in an array
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at) | 0x20; // makes { of [ and } of ], and of nothing else that matters
    if (char === 0x7b) {
      if (levels.length === MAX_DEPTH) return `nested deeper than ${MAX_DEPTH}`;
      levels.push(text.charCodeAt(at) === 0x7b ? new Set() : undefined);
    } else if (char === 0x7d) levels.pop();
    else if (text.charCodeAt(at) === QUOTE) {
      const start = at;
      at = endOfString(text, at);
      const seen = levels.at(-1);
      if (seen === undefined || !isKey(text, at + 1)) continue;
      const raw = text.slice(start, at + 1);
      const key = raw.includes('\\') ? String(JSON.parse(raw)) : raw.slice(1, -1);
      if (seen.has(key)) return `the key ${JSON.stringify(key.slice(0, 200))} appears twice`;
      seen.add(key);
    }
  }
  return undefined;
}

/** Where the string that begins at `start` has its closing quote. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) return at;
    if (char === BACKSLASH) at += 1;
  }
}

/** Whether the string that ended before `at` is followed by a colon. */
function isKey(text: string, at: number): boolean {
  for (let i = at; i < text.length; i += 1) {
    const char = text.charCodeAt(i);
    if (char === COLON) return true;
    if (char > 0x20) return false;
  }
  return false;
}
