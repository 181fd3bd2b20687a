import { randomInt } from 'node:crypto';
import { ExitCode, MftError } from '../base/errors.ts';

/**
 * Below the ephemeral range (a port must still be free when adbd comes back to it), and outside 5555-5585, which adb scans for
 * emulators and would show twice.
 */
const FIRST = 16_200;
const LAST = 19_999;
const TRIES = 50;

function isInUse(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES')
  );
}

/** Calls `listen` with the wanted port, or with candidates until one is free. Resolves with the port. */
export async function listenOnFreePort(
  wanted: number | undefined,
  listen: (port: number) => Promise<void>,
): Promise<number> {
  if (wanted !== undefined) {
    if (!Number.isInteger(wanted) || wanted < 1024 || wanted > 65_535 || (wanted >= 5555 && wanted <= 5585)) {
      throw new MftError(`Port ${wanted} can't be a virtual phone's: use 1024-65535 without 5555-5585.`, {
        code: 'phone.bad-port',
        exit: ExitCode.usage,
      });
    }
    try {
      await listen(wanted);
      return wanted;
    } catch (error) {
      if (!isInUse(error)) throw error;
      throw new MftError(`Port ${wanted} is in use.`, {
        code: 'phone.port-in-use',
        exit: ExitCode.usage,
        suggestions: ['Leave out --port: a free one is found.'],
        cause: error,
      });
    }
  }
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(FIRST, LAST + 1);
    try {
      await listen(port);
      return port;
    } catch (error) {
      if (!isInUse(error)) throw error;
    }
  }
  throw new MftError(`No free port between ${FIRST} and ${LAST}.`, {
    code: 'phone.no-port',
    exit: ExitCode.device,
  });
}
