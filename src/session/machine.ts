/**
 * The life of a run as this host sees it. Every transition is in this table, and every one that happens is recorded.
 *
 *     planned -> deploying -> starting -> attached -> finished | failed | stopped
 *                                          |    ^
 *                                        lost -> recovering          detached: the host left, the run goes on
 *
 * A host that takes up a run (after a crash of the one before, or `mft attach`) enters `recovering` from wherever the
 * record stands, asks the phone how the run is, and goes on from there.
 */
import { ExitCode, MftError } from '../base/errors.ts';
import type { RunState } from '../runs/index.ts';

const NEXT: Record<RunState, readonly RunState[]> = {
  planned: ['deploying', 'recovering', 'failed'],
  deploying: ['starting', 'lost', 'recovering', 'detached', 'failed'],
  starting: ['attached', 'lost', 'recovering', 'detached', 'failed', 'finished', 'stopped'],
  attached: ['lost', 'recovering', 'detached', 'finished', 'failed', 'stopped'],
  lost: ['recovering', 'detached', 'failed'],
  recovering: [
    'deploying',
    'starting',
    'attached',
    'lost',
    'recovering',
    'detached',
    'finished',
    'failed',
    'stopped',
  ],
  detached: ['recovering'],
  // An end is one until somebody asks for another attempt: `mft resume`.
  finished: [],
  failed: ['recovering'],
  stopped: ['recovering'],
};

export function canEnter(from: RunState, to: RunState): boolean {
  return NEXT[from].includes(to);
}

export function isEnd(state: RunState): boolean {
  return state === 'finished' || state === 'failed' || state === 'stopped';
}

/** The run may be going on on the phone. */
export function mayRun(state: RunState): boolean {
  return !isEnd(state) && state !== 'planned' && state !== 'deploying';
}

/**
 * The state as far as this host knows, where nobody on it follows the run any more (its process was killed): the run may be
 * going on, or was never started.
 */
export function leftState(state: RunState): RunState {
  if (isEnd(state)) return state;
  return mayRun(state) ? 'detached' : 'planned';
}

export function assertTransition(from: RunState, to: RunState): void {
  if (canEnter(from, to)) return;
  throw new MftError(`a run that is ${from} can't become ${to}`, {
    code: 'internal',
    exit: ExitCode.internal,
  });
}
