/** A file of conversations as one of segments, for a template that the phone can't have (chat/segments.ts). */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { MftError } from '../base/errors.ts';
import type { Operation } from '../base/progress.ts';
import { segmentsOf, Uncuttable } from './chat/segments.ts';
import type { ChatTemplate } from './chat/template.ts';
import { type DataFile, type DataRules, readRecords } from './data-file.ts';
import { badRecord } from './records/lines.ts';

/**
 * Writes the new file `target`; a failure leaves nothing.
 *
 * @throws MftError as inspectDataFile; data.chat-template and data.bad-record with the line that can't be rendered.
 */
export async function renderConversations(
  path: string,
  template: ChatTemplate,
  target: string,
  rules: DataRules,
  operation: Operation = {},
): Promise<DataFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  let records = 0;
  async function* lines(): AsyncGenerator<Buffer> {
    for await (const { conversation = [], line } of readRecords(path, 'messages', rules, operation)) {
      const at = { name: line.name, number: line.number };
      const segments = await segmentsOf(template, conversation).catch((error: unknown) => {
        if (error instanceof Uncuttable) throw badRecord(at, error.expected, error.found);
        if (error instanceof MftError && error.code === 'data.chat-template') throw inLine(error, at);
        throw error;
      });
      const record = Buffer.from(`${JSON.stringify({ segments })}\n`);
      hash.update(record);
      bytes += record.length;
      records += 1;
      yield record;
    }
  }
  try {
    await pipeline(lines, createWriteStream(target, { flags: 'wx' }));
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  }
  return { path: target, bytes, sha256: hash.digest('hex'), format: 'segments', records };
}

function inLine(error: MftError, { name, number }: { name: string; number: number }): MftError {
  const { code, exit, suggestions } = error;
  return new MftError(`${name} line ${number}: ${error.message}`, { code, exit, suggestions, cause: error });
}
