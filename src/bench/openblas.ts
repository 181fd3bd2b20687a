/** Where systems keep OpenBLAS, the yardstick of the measurements. */
import { existsSync } from 'node:fs';
import { ExitCode, MftError } from '../base/errors.ts';

const TRIPLET = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
const PLACES = [
  `/usr/lib/${TRIPLET}/openblas-pthread/libopenblas.so.0`,
  `/usr/lib/${TRIPLET}/libopenblas.so.0`,
  '/usr/lib64/libopenblas.so.0',
  '/usr/lib/libopenblas.so.0',
  '/usr/lib/libopenblas.so',
];

/**
 * @param asked a path, "none", or undefined for the system's
 * @throws MftError bench.no-yardstick when a path was asked for and is not there
 */
export function findOpenBlas(asked?: string): string | undefined {
  if (asked === 'none') return undefined;
  if (asked === undefined) return PLACES.find((path) => existsSync(path));
  if (existsSync(asked)) return asked;
  throw new MftError(`there is no ${asked}`, {
    code: 'bench.no-yardstick',
    exit: ExitCode.usage,
    suggestions: ['Install OpenBLAS (Debian: libopenblas0-pthread) and leave --openblas out.'],
  });
}
