import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ExitCode, MftError } from '../base/errors.ts';
import type { RunStore } from '../runs/index.ts';

const TOKEN_BYTES = 32;

/**
 * The secret that opens sessions of a run: 32 random bytes, in the run's folder, for its owner only. Made on first use;
 * of two processes that do so at once, one wins and both use its token.
 */
export function runToken(store: RunStore, id: string): Uint8Array {
  const file = join(store.folder(id), 'token');
  for (;;) {
    const token = readToken(file);
    if (token) return token;
    const temporary = `${file}.${randomBytes(6).toString('hex')}`;
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(fd, randomBytes(TOKEN_BYTES));
      fsyncSync(fd);
      linkSync(temporary, file); // fails when there is one: never replaces
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    } finally {
      closeSync(fd);
      rmSync(temporary, { force: true });
    }
  }
}

function readToken(file: string): Uint8Array | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  if (bytes.length === TOKEN_BYTES) return new Uint8Array(bytes);
  throw new MftError(`${file} is damaged: ${bytes.length} bytes instead of ${TOKEN_BYTES}`, {
    code: 'run.token-damaged',
    exit: ExitCode.usage,
    suggestions: ['This host can no longer attach to the run; its result stays on the phone.'],
  });
}
