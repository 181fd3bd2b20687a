import { isContactLoss } from '../adb/index.ts';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';
import { mft } from '../protocol/index.ts';
import { LinkLost } from './client.ts';

/** How a session ended. Success is `finished` alone, and that only by the run's own word. */
export type SessionEnd =
  | { kind: 'finished' | 'stopped'; finished: mft.v1.IFinished }
  | { kind: 'failed'; failed: mft.v1.IFailed }
  /** The host left. `started`: the run goes on without it; otherwise it is not on the phone yet. */
  | { kind: 'detached'; started: boolean };

/** The run's last word. @throws TypeError when the event is not one. */
export function endOf(event: mft.v1.Event): Exclude<SessionEnd, { kind: 'detached' }> {
  if (event.failed) return { kind: 'failed', failed: event.failed };
  if (!event.finished) throw new TypeError(`not an end: ${event.body}`);
  const completed = event.finished.outcome === mft.v1.Finished.Outcome.OUTCOME_COMPLETED;
  return { kind: completed ? 'finished' : 'stopped', finished: event.finished };
}

/** A run's own Failed, as the error that ends the command. */
export function failedError(id: string, failed: mft.v1.IFailed): MftError {
  return new MftError(`the run ${id} failed: ${failed.message ?? ''}`, {
    code: failed.code || 'run.failed',
    exit: ExitCode.runFailed,
    suggestions: [
      ...(failed.hint ? [failed.hint] : []),
      `mft resume ${id} goes on from its last checkpoint.`,
    ],
    ref: 'docs/errors.md',
  });
}

/** What may heal by trying again: contact, a torn connection, a push that arrived damaged. */
export function isLost(error: unknown): boolean {
  if (error instanceof LinkLost || isContactLoss(error)) return true;
  return error instanceof MftError && error.exit === ExitCode.lostContact;
}

export function lostContact(id: string, phone: string, elapsedMs: number, cause: unknown): MftError {
  return new MftError(
    `contact to ${phone} was lost and did not come back within ${formatDuration(elapsedMs)}: ${messageOf(cause)}`,
    {
      code: 'session.lost-contact',
      exit: ExitCode.lostContact,
      suggestions: [
        'The run may still be going on on the phone: look at the cable, the screen (is it locked?), mft devices.',
        `Then: mft attach ${id}`,
      ],
      cause,
    },
  );
}
