import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCode, MftError } from '../../base/errors.ts';
import { formatDuration } from '../../base/units.ts';
import type { mft } from '../../protocol/index.ts';
import type { RunStore } from '../../runs/index.ts';
import {
  type Collected,
  collect,
  failedError,
  isLost,
  type RunPhone,
  RunSession,
  type RunSignal,
  resultText,
  type SessionEnd,
  type SessionOptions,
} from '../../session/index.ts';
import type { RunRenderer } from '../../ui/renderer.ts';
import { chooseRenderer, type ViewMode } from './view-mode.ts';

/** How long the process of a run that has ended may take to leave. */
export const FAREWELL_MS = 10_000;

export interface FollowRequest {
  store: RunStore;
  phone: RunPhone;
  id: string;
  mode: ViewMode;
  session: Pick<SessionOptions, 'contactMs' | 'detachAfterStart' | 'again'>;
  /** Told of every signal, beside the renderer. */
  onSignal?: (signal: RunSignal) => void;
}

export interface Followed {
  end: SessionEnd;
  collected?: Collected | undefined;
  /** ^C rather than a wish to leave. */
  interrupted: boolean;
}

/** Drives a run and shows it, until its end or until the person leaves; collects what it made. */
export async function followRun(request: FollowRequest): Promise<Followed> {
  const { store, phone, id } = request;
  const leaving = new AbortController();
  let interrupted = false;
  const interrupt = () => {
    if (leaving.signal.aborted) process.exit(ExitCode.interrupted);
    interrupted = true;
    leaving.abort(new Error('interrupted'));
  };
  let renderer: RunRenderer | undefined;
  const session = new RunSession(store, phone, id, {
    ...request.session,
    signal: leaving.signal,
    onSignal: (signal) => {
      renderer?.onSignal(signal);
      request.onSignal?.(signal);
    },
  });
  renderer = await chooseRenderer(request.mode, id, store.get(id).deviceName, {
    steer: (action) => session.steer(action),
    detach: () => leaving.abort(new Error('detached')),
    interrupt,
  });
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupt);
  try {
    const end = await session.drive();
    if (end.kind !== 'finished' && end.kind !== 'stopped') return { end, interrupted };
    const collected = await collectWithPatience(request, end.finished, leaving.signal, renderer);
    return { end, collected, interrupted };
  } catch (error) {
    // Leaving while the result is being pulled: the run itself has ended well.
    if (leaving.signal.aborted) return { end: { kind: 'detached', started: true }, interrupted };
    throw error;
  } finally {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, interrupt);
    await renderer.close();
  }
}

/** Pulls the result, across lost contact. */
async function collectWithPatience(
  request: Pick<FollowRequest, 'store' | 'phone' | 'id' | 'session'>,
  finished: mft.v1.IFinished,
  signal: AbortSignal,
  renderer: RunRenderer | undefined,
): Promise<Collected | undefined> {
  const { store, phone, id } = request;
  const limit = request.session.contactMs ?? 600_000;
  const started = Date.now();
  for (;;) {
    try {
      return await collect(store, phone, id, finished, {
        signal,
        onProgress: (report) => renderer?.onSignal({ type: 'transfer', report, timeMs: Date.now() }),
      });
    } catch (error) {
      const left = limit - (Date.now() - started);
      if (!isLost(error) || left <= 0) throw error;
      await sleep(200, undefined, { signal });
      await phone.reconnect({ signal, timeoutMs: left });
    }
  }
}

/** What a followed run says at the end, for people; throws for the ends that are errors. */
export function endingLines(id: string, followed: Followed): string[] {
  const { end, collected, interrupted } = followed;
  switch (end.kind) {
    case 'finished':
    case 'stopped': {
      const { step, activeMs, early } = end.finished;
      const how = early
        ? 'is finished early, as validation got no better,'
        : end.kind === 'finished'
          ? 'is finished'
          : 'was stopped on request';
      const lines = [`${id} ${how} after ${step} steps in ${formatDuration(activeMs ?? 0)}.`];
      const result = resultText(end.finished);
      if (result !== undefined) lines.push(`${capital(result)}.`);
      if (collected) lines.push(`Result: ${collected.export}`);
      return lines;
    }
    case 'failed':
      throw failedError(id, end.failed);
    case 'detached':
      if (!end.started)
        return [`Left before ${id} was on the phone. Nothing is lost: mft attach ${id} goes on from here.`];
      return [
        interrupted ? `Detached; ${id} goes on on the phone.` : `${id} goes on on the phone.`,
        `Come back: mft attach ${id}`,
      ];
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The exit code that goes with an end; a failure is thrown. */
export function exitCodeOf({ end, interrupted }: Followed): ExitCode {
  if (end.kind === 'stopped') return ExitCode.runStopped;
  if (end.kind === 'detached' && interrupted) return ExitCode.interrupted;
  return ExitCode.ok;
}

/** The last line of a `--json` stream. */
export function endRecord(id: string, { end, collected }: Followed) {
  if (end.kind === 'failed') throw failedError(id, end.failed);
  const paths = collected ? { result: collected.result, export: collected.export } : {};
  if (end.kind === 'detached') return { type: 'end', run: id, outcome: 'detached', started: end.started };
  const { step, finalLoss, activeMs, peakRssBytes, resultStep, early } = end.finished;
  return {
    type: 'end',
    run: id,
    outcome: end.kind,
    step: step ?? 0,
    final_loss: finalLoss ?? 0,
    ...(collected ? { result_step: resultStep ?? 0, early: early ?? false } : {}),
    active_ms: activeMs ?? 0,
    peak_rss_bytes: peakRssBytes ?? 0,
    ...paths,
  };
}

export function notFinished(id: string, state: string): MftError {
  return new MftError(`${id} has no result: it is ${state}`, {
    code: 'run.not-finished',
    exit: ExitCode.usage,
    suggestions: [`mft attach ${id} follows it to its end.`],
  });
}
