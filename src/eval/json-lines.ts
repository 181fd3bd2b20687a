import type { ZodType } from 'zod';
import { badRecord, badShape } from './bad-record.ts';
import { readLines } from './lines.ts';

export interface JsonRecord<T> {
  /** From 1. */
  line: number;
  value: T;
}

/** Records of JSON Lines that are of a shape. @throws MftError data.bad-record and what readLines throws */
export async function* readJsonLines<T>(
  file: string,
  shape: ZodType<T>,
): AsyncGenerator<JsonRecord<T>, void, void> {
  for await (const { number, text } of readLines(file)) {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw badRecord(file, number, 'a JSON object', 'something else');
    }
    const parsed = shape.safeParse(json);
    if (!parsed.success) throw badShape(file, number, parsed.error);
    yield { line: number, value: parsed.data };
  }
}
