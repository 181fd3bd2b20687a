/**
 * A data file looked at on the host before it is pushed: what it holds is recognised, every record is checked, and the hash
 * that names it in the device store comes out of the same pass. Memory: one line.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { MftError } from '../base/errors.ts';
import type { Operation } from '../base/progress.ts';
import type { ChatMessage } from './chat/jinja.ts';
import { faultOf, type Pieces } from './chat/pieces.ts';
import { openData } from './open.ts';
import {
  type DataFormat,
  emptyFile,
  type FieldNames,
  fieldNames,
  isNamedAsJson,
  type RecordFormat,
  recognizeFormat,
} from './records/formats.ts';
import { JsonReader } from './records/json-reader.ts';
import { badRecord, type Line, linesOf } from './records/lines.ts';
import { checkRecord } from './records/records.ts';
import { inspectTextFile } from './text-file.ts';

export interface DataFile {
  path: string;
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
  format: DataFormat;
  /** Lines that hold a record; of a text: 0. */
  records: number;
}

export type RenamedFields = { [K in keyof FieldNames]?: string | undefined };

export interface DataRules {
  fields?: RenamedFields | undefined;
  /** Token ids are below it. */
  vocabSize: number;
}

/**
 * @param pieces what of conversations the model's template takes; absent: their order is not checked here
 * @throws MftError data.not-found, data.not-a-file, data.unreadable, data.empty; data.bad-record and data.not-utf8 with file
 * and line.
 */
export async function inspectDataFile(
  path: string,
  format: DataFormat,
  rules: DataRules & { pieces?: Pieces | undefined },
  operation: Operation = {},
): Promise<DataFile> {
  if (format === 'text') {
    const { bytes, sha256 } = await inspectTextFile(path, operation);
    return { path, bytes, sha256, format, records: 0 };
  }
  const hash = createHash('sha256');
  let bytes = 0;
  let records = 0;
  const onChunk = (chunk: Buffer) => {
    hash.update(chunk);
    bytes += chunk.length;
  };
  for await (const { conversation, line } of readRecords(path, format, rules, { ...operation, onChunk })) {
    records += 1;
    if (conversation === undefined || rules.pieces === undefined) continue;
    const fault = faultOf(rules.pieces, conversation);
    if (fault !== undefined) throw badRecord(line, fault.expected, fault.found);
  }
  return { path, bytes, sha256: hash.digest('hex'), format, records };
}

/**
 * What a file holds, by its first record.
 *
 * @throws MftError data.format, and as inspectDataFile
 */
export async function formatOf(path: string, fields?: RenamedFields): Promise<DataFormat> {
  const name = basename(path);
  const names = fieldNames(fields);
  try {
    for await (const line of linesOf(chunksOf(path), name))
      if (!new JsonReader(line).isBlank()) return recognizeFormat(line, name, names);
  } catch (error) {
    // A line too long for a record is text, unless the file says that it is JSON.
    if (error instanceof MftError && error.code === 'data.bad-record' && !isNamedAsJson(name)) return 'text';
    throw error;
  }
  return recognizeFormat(undefined, name, names);
}

export interface ReadRecord {
  line: Line;
  /** Of a record of messages. */
  conversation: ChatMessage[] | undefined;
}

/** Every record of a file, checked. @throws MftError data.empty when it has none, and as inspectDataFile */
export async function* readRecords(
  path: string,
  format: RecordFormat,
  rules: DataRules,
  options: ReadOptions = {},
): AsyncGenerator<ReadRecord> {
  const recordRules = { format, fields: fieldNames(rules.fields), idLimit: rules.vocabSize };
  let isEmpty = true;
  for await (const line of linesOf(chunksOf(path, options), basename(path))) {
    const json = new JsonReader(line);
    if (json.isBlank()) continue;
    isEmpty = false;
    yield { line, conversation: checkRecord(json, recordRules) };
  }
  if (isEmpty) throw emptyFile(basename(path));
}

interface ReadOptions extends Operation {
  /** Sees every byte of the file once, in order. */
  onChunk?: ((chunk: Buffer) => void) | undefined;
}

const CHUNK = 1 << 20;

/** One buffer, used again for each chunk. */
async function* chunksOf(path: string, options: ReadOptions = {}): AsyncGenerator<Buffer> {
  const file = await openData(path);
  try {
    const total = (await file.stat()).size;
    const buffer = Buffer.alloc(CHUNK);
    for (let done = 0; ; ) {
      options.signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, CHUNK, null);
      if (bytesRead === 0) return;
      const chunk = buffer.subarray(0, bytesRead);
      options.onChunk?.(chunk);
      done += bytesRead;
      options.onProgress?.({ phase: 'checking data', done, total, unit: 'bytes' });
      yield chunk;
    }
  } finally {
    await file.close();
  }
}
