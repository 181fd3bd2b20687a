/** Requests that fail for a while are made again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isTransient } from './errors.ts';

export interface Patience {
  signal?: AbortSignal | undefined;
  /** Before the second attempt; doubled for each one after. */
  firstDelayMs: number;
  /** Without a byte for so long a connection counts as cut. */
  stallMs: number;
}

export const PATIENCE: Patience = { firstDelayMs: 500, stallMs: 60_000 };

const ATTEMPTS = 6;

/**
 * Calls `attempt` until it succeeds, fails for good, or has failed six times in a row without calling `moved`, which says
 * that this attempt got further than those before.
 */
export async function retrying<T>(
  patience: Patience,
  attempt: (moved: () => void) => Promise<T>,
): Promise<T> {
  let failures = 0;
  const moved = () => {
    failures = 0;
  };
  for (;;) {
    try {
      return await attempt(moved);
    } catch (error) {
      patience.signal?.throwIfAborted();
      failures += 1;
      if (!isTransient(error) || failures === ATTEMPTS) throw error;
      await sleep(patience.firstDelayMs * 2 ** (failures - 1), undefined, {
        ...(patience.signal === undefined ? {} : { signal: patience.signal }),
      }).catch(() => patience.signal?.throwIfAborted());
    }
  }
}
