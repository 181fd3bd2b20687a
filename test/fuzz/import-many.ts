/**
 * Imports what its input names, one {"path", "tokenizer"} a line, and answers each with one line of JSON: the error, if any, and the most
 * memory that this process had so far. A process of its own, so that its memory can be limited and measured.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { MftError } from '../../src/base/errors.ts';
import { importSource } from '../../src/model/import.ts';

for await (const line of createInterface({ input: process.stdin })) {
  const { path, tokenizer } = JSON.parse(line) as { path: string; tokenizer?: string };
  const scratch = mkdtempSync(join(tmpdir(), 'mft-import-'));
  const error = await importSource(path, join(scratch, 'pack'), { tokenizer }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const known = error instanceof MftError;
  const { maxRSS } = process.resourceUsage();
  process.stdout.write(
    `${JSON.stringify({
      path,
      code: known ? error.code : error === undefined ? null : 'internal',
      exit: known ? error.exit : null,
      message: error instanceof Error ? error.message : '',
      suggestions: known ? error.suggestions.length : 0,
      left: readdirSync(scratch),
      peakBytes: maxRSS * 1024,
    })}\n`,
  );
  rmSync(scratch, { recursive: true, force: true });
}
