/**
 * Comma-separated values as RFC 4180 has them: quoted fields may hold commas, line breaks and doubled quotes. As Python's
 * and pandas' readers do, a quote inside an unquoted field stands for itself.
 */
import { badRecord } from './bad-record.ts';
import { readText } from './lines.ts';

export interface CsvRow {
  /** Line on which the row begins, from 1. */
  line: number;
  fields: string[];
}

const MAX_FIELD = 16 << 20;

/** Rows; blank lines are left out. @throws MftError data.bad-record, and what readText throws */
export async function* readCsv(file: string): AsyncGenerator<CsvRow, void, void> {
  let line = 1;
  let row: CsvRow = { line, fields: [] };
  let field = '';
  // closed: after a quote that ends the field, or is the first of two.
  let state: 'start' | 'plain' | 'quoted' | 'closed' = 'start';
  let returned = false; // a carriage return, whose line feed is to come
  const endRow = (): CsvRow | undefined => {
    const blank = row.fields.length === 0 && state === 'start';
    const done = { line: row.line, fields: [...row.fields, field] };
    line += 1;
    row = { line, fields: [] };
    field = '';
    state = 'start';
    returned = false;
    return blank ? undefined : done;
  };
  for await (const piece of readText(file)) {
    for (const c of piece) {
      if (state === 'quoted') {
        if (c === '\n') line += 1;
        if (c === '"') state = 'closed';
        else field += c;
      } else if (c === '\n') {
        const done = endRow();
        if (done) yield done;
      } else if (returned) {
        throw badRecord(file, line, 'a line feed after a carriage return', 'something else');
      } else if (c === '\r') {
        returned = true;
      } else if (c === ',') {
        row.fields.push(field);
        field = '';
        state = 'start';
      } else if (c === '"' && state !== 'plain') {
        if (state === 'closed') field += '"';
        state = 'quoted';
      } else if (state === 'closed') {
        throw badRecord(file, line, 'a comma or the end of the line after a closing quote', 'something else');
      } else {
        state = 'plain';
        field += c;
      }
      if (field.length > MAX_FIELD)
        throw badRecord(file, row.line, 'a field of up to 16 MiB', 'a longer one');
    }
  }
  if (state === 'quoted') throw badRecord(file, row.line, 'a closing quote', 'the end of the file');
  const last = endRow();
  if (last) yield last;
}
