/**
 * What a person is shown of a run: a pure function from what happened to a picture of it. The dashboard, the plain lines
 * and `mft runs show` use the same one. Its size is bounded, whatever the length of the run.
 */
import type { ProgressReport } from '../base/progress.ts';
import { mft } from '../protocol/index.ts';
import type { HostEvent, RunState } from '../runs/index.ts';

/** Everything that happens to a run, in the order in which it is shown. */
export type RunSignal =
  /** From the phone; stored already. `replayed`: here and below, it happened before this host came. */
  | { type: 'event'; event: mft.v1.Event; replayed?: boolean }
  /** The host's state machine moved. */
  | { type: 'transition'; state: RunState; reason: string; timeMs: number; replayed?: boolean }
  /** The host noticed something a person must know; stored already. */
  | { type: 'warning'; code: string; message: string; timeMs: number; replayed?: boolean }
  /** Pushing to the phone or pulling from it. */
  | { type: 'transfer'; report: ProgressReport; timeMs: number };

/** How the training itself is, by the phone's own word. */
export type Phase =
  | 'waiting'
  | 'preparing'
  | 'running'
  | 'paused'
  | 'stopping'
  | 'finished'
  | 'stopped'
  | 'failed';

export interface LossPoint {
  step: number;
  loss: number;
}

export interface ValidationPoint extends LossPoint {
  perplexity: number;
  best: boolean;
}

export interface RecentLine {
  timeMs: number;
  level: 'info' | 'good' | 'warning' | 'error';
  text: string;
}

export interface Transfer {
  phase: string;
  done: number;
  total: number;
  unit: ProgressReport['unit'];
  /** Units a second since the phase began; 0 while unknown. */
  rate: number;
  startedMs: number;
}

export interface RunView {
  run: string;
  phase: Phase;
  /** The host's side: attached, lost, recovering, ... */
  link: RunState;
  linkReason: string;
  attempt: number;
  step: number;
  /** 0 while unknown. */
  total: number;
  started?: mft.v1.IAttemptStarted;
  /** Training loss by step, thinned out evenly to at most 1024 points; the last is always the newest step. */
  losses: readonly LossPoint[];
  /** Only steps divisible by it are kept in `losses`. */
  stride: number;
  validations: readonly ValidationPoint[];
  /** The best of them, by the phone's word; one that a person asked for does not count. */
  best?: ValidationPoint;
  samples: readonly { step: number; prompt: string; text: string }[];
  loss?: number;
  learningRate?: number;
  gradNorm?: number;
  tokensSeen: number;
  /** Over the last steps, without pauses. */
  tokensPerSecond?: number;
  etaMs?: number;
  rssBytes?: number;
  peakRssBytes?: number;
  checkpointStep?: number;
  /** Newest known value of each sensor. */
  reading: mft.v1.IDeviceReading;
  /** Tokenizing, loading, ... on the phone. */
  progress?: { phase: string; done: number; total: number; unit: string };
  transfer?: Transfer;
  recent: readonly RecentLine[];
  warnings: readonly RecentLine[];
  finished?: mft.v1.IFinished;
  failed?: mft.v1.IFailed;
  /** Durations and tokens of the last steps. */
  window: readonly { us: number; tokens: number }[];
}

const MAX_POINTS = 1024;
const MAX_VALIDATIONS = 1024;
const MAX_RECENT = 64;
const MAX_SAMPLES = 16;
const WINDOW = 20;

export function initialView(run: string, link: RunState = 'planned'): RunView {
  return {
    run,
    phase: 'waiting',
    link,
    linkReason: '',
    attempt: 0,
    step: 0,
    total: 0,
    losses: [],
    stride: 1,
    validations: [],
    samples: [],
    tokensSeen: 0,
    reading: {},
    recent: [],
    warnings: [],
    window: [],
  };
}

export function reduce(view: RunView, signal: RunSignal): RunView {
  switch (signal.type) {
    case 'event':
      return reduceEvent(view, signal.event);
    case 'transition': {
      const { transfer: _over, ...rest } = view;
      const told = view.phase === signal.state; // the run's own last word has said it
      if (told) return { ...rest, link: signal.state, linkReason: signal.reason };
      const level = signal.state === 'lost' ? 'warning' : 'info';
      const text = signal.reason === '' ? signal.state : `${signal.state}: ${signal.reason}`;
      return note(
        { ...rest, link: signal.state, linkReason: signal.reason },
        { timeMs: signal.timeMs, level, text },
      );
    }
    case 'warning':
      return note(view, {
        timeMs: signal.timeMs,
        level: 'warning',
        text: `${signal.code}: ${signal.message}`,
      });
    case 'transfer': {
      const { report, timeMs } = signal;
      const same = view.transfer?.phase === report.phase && view.transfer.done <= report.done;
      const startedMs = same && view.transfer ? view.transfer.startedMs : timeMs;
      const elapsed = timeMs - startedMs;
      return {
        ...view,
        transfer: { ...report, startedMs, rate: elapsed > 0 ? (report.done * 1000) / elapsed : 0 },
      };
    }
  }
}

/** Stored host events as signals, for showing a record again. */
export function signalOf(event: HostEvent): RunSignal {
  const { timeMs, code, message } = event;
  return event.kind === 'warning'
    ? { type: 'warning', code, message, timeMs }
    : { type: 'transition', state: code as RunState, reason: message, timeMs };
}

function reduceEvent(view: RunView, event: mft.v1.Event): RunView {
  const say = (next: RunView, level: RecentLine['level'], text: string) =>
    note(next, { timeMs: event.timeMs, level, text });
  const next: RunView = { ...view, attempt: Math.max(view.attempt, event.id?.attempt ?? 0) };
  if (event.attemptStarted) {
    const started = event.attemptStarted;
    const text =
      started.fromStep > 0
        ? `attempt ${next.attempt} goes on from step ${started.fromStep}`
        : `attempt ${next.attempt} started`;
    return say(
      { ...next, started, total: started.totalSteps, step: started.fromStep, phase: 'preparing', window: [] },
      'info',
      `${text} (${started.isa}, ${started.threads} threads)`,
    );
  }
  if (event.step) return reduceStep(next, event.step);
  if (event.evaluation?.questions) return say(next, 'good', accuracyLine(event.evaluation));
  if (event.evaluation) {
    const { step, loss, perplexity, best } = event.evaluation;
    const point = { step, loss, perplexity, best };
    const kept = next.validations.filter((other) => other.step !== step).slice(-(MAX_VALIDATIONS - 1));
    const validations = [...kept, point].sort((a, b) => a.step - b.step);
    return say(
      { ...next, validations, ...(best ? { best: point } : {}) },
      best ? 'good' : 'info',
      `${next.started?.totalSteps === 0 ? '' : `validation after step ${step}: `}loss ${loss.toFixed(4)}, perplexity ${perplexity.toFixed(2)}${besideBest(best, next.best)}`,
    );
  }
  if (event.checkpointSaved)
    return say(
      { ...next, checkpointStep: event.checkpointSaved.step },
      'info',
      `checkpoint at step ${event.checkpointSaved.step}`,
    );
  if (event.sample) {
    const { step, prompt, text } = event.sample;
    const samples = [...next.samples.filter((sample) => sample.step !== step), { step, prompt, text }];
    return say({ ...next, samples: samples.slice(-MAX_SAMPLES) }, 'info', `sample after step ${step}`);
  }
  if (event.reading) return { ...next, reading: { ...next.reading, ...known(event.reading) } };
  if (event.progress) {
    const { phase, done, total, unit } = event.progress;
    return { ...next, progress: { phase, done, total, unit } };
  }
  if (event.stateChanged) return reduceState(next, event.stateChanged, say);
  if (event.controlApplied) {
    const { action, accepted, step, message } = event.controlApplied;
    const tail = message === '' ? '' : `: ${message}`;
    return say(
      next,
      accepted ? 'info' : 'warning',
      `${action} ${accepted ? 'took effect' : 'refused'} after step ${step}${tail}`,
    );
  }
  if (event.warning) return say(next, 'warning', `${event.warning.code}: ${event.warning.message}`);
  if (event.finished) {
    const completed = event.finished.outcome === mft.v1.Finished.Outcome.OUTCOME_COMPLETED;
    const { progress: _over, etaMs: _eta, ...rest } = next;
    return say(
      {
        ...rest,
        finished: event.finished,
        phase: completed ? 'finished' : 'stopped',
        step: event.finished.step,
        peakRssBytes: event.finished.peakRssBytes,
      },
      'good',
      endText(event.finished),
    );
  }
  if (event.failed)
    return say(
      { ...next, failed: event.failed, phase: 'failed' },
      'error',
      `${event.failed.code}: ${event.failed.message}`,
    );
  return next;
}

function besideBest(isBest: boolean, before: ValidationPoint | undefined): string {
  if (isBest) return ' (best)';
  return before === undefined ? '' : `; best ${before.loss.toFixed(4)} after step ${before.step}`;
}

/** How a run ended, and whose weights it leaves. */
function endText(finished: mft.v1.Finished): string {
  const { step, early } = finished;
  const completed = finished.outcome === mft.v1.Finished.Outcome.OUTCOME_COMPLETED;
  const how = early ? 'finished early' : completed ? 'finished' : 'stopped on request';
  const result = resultText(finished);
  return `${how} after step ${step}${result === undefined ? '' : `; ${result}`}`;
}

/** Undefined: there is no result, or it is what anybody would think. */
export function resultText(finished: mft.v1.IFinished): string | undefined {
  const { step, resultStep, resultManifestSha256 } = finished;
  if (!resultManifestSha256?.length || !resultStep || resultStep === step) return undefined;
  return `the result is of step ${resultStep}, the best validation`;
}

function accuracyLine({ questions, correct, correctNorm }: mft.v1.Evaluation): string {
  const share = (count: number) => (count / questions).toFixed(4);
  return `${correct} of ${questions} questions right: acc ${share(correct)}, acc_norm ${share(correctNorm)}`;
}

function reduceStep(view: RunView, step: mft.v1.IStep & mft.v1.Step): RunView {
  const window = [...view.window, { us: step.durationUs, tokens: step.tokens }].slice(-WINDOW);
  const us = window.reduce((sum, entry) => sum + entry.us, 0);
  const tokens = window.reduce((sum, entry) => sum + entry.tokens, 0);
  const { progress: _over, ...rest } = view;
  const remaining = Math.max(0, view.total - step.step);
  return {
    ...rest,
    ...addPoint(view, { step: step.step, loss: step.loss }),
    phase: view.phase === 'paused' || view.phase === 'stopping' ? view.phase : 'running',
    step: step.step,
    loss: step.loss,
    learningRate: step.learningRate,
    gradNorm: step.gradNorm,
    tokensSeen: step.tokensSeen,
    window,
    ...(us > 0 ? { tokensPerSecond: (tokens * 1e6) / us } : {}),
    ...(us > 0 && view.total > 0 ? { etaMs: (remaining * us) / window.length / 1000 } : {}),
    rssBytes: step.rssBytes,
    peakRssBytes: Math.max(view.peakRssBytes ?? 0, step.peakRssBytes),
  };
}

/** Adds a point, or replaces a recomputed step's and drops what an earlier attempt had after it only when thinning. */
function addPoint(view: RunView, point: LossPoint): Pick<RunView, 'losses' | 'stride'> {
  let { stride } = view;
  const last = view.losses.at(-1);
  let losses: LossPoint[];
  if (last !== undefined && point.step <= last.step) {
    losses = view.losses.map((old) => (old.step === point.step ? point : old));
  } else {
    // The newest point is always shown, but stays only if the stride keeps it.
    const settled = last !== undefined && last.step % stride !== 0 ? view.losses.slice(0, -1) : view.losses;
    losses = [...settled, point];
  }
  while (losses.length > MAX_POINTS) {
    stride *= 2;
    const keep = losses.length - 1;
    losses = losses.filter((old, i) => i === keep || old.step % stride === 0);
  }
  return { losses, stride };
}

function reduceState(
  view: RunView,
  change: mft.v1.IStateChanged,
  say: (next: RunView, level: RecentLine['level'], text: string) => RunView,
): RunView {
  const phases: Partial<Record<number, Phase>> = {
    [mft.v1.RunState.RUN_STATE_PREPARING]: 'preparing',
    [mft.v1.RunState.RUN_STATE_RUNNING]: 'running',
    [mft.v1.RunState.RUN_STATE_PAUSED]: 'paused',
    [mft.v1.RunState.RUN_STATE_STOPPING]: 'stopping',
  };
  const phase = phases[change.state ?? 0] ?? view.phase;
  const reason = change.reason ? `: ${change.reason}` : '';
  return say({ ...view, phase }, 'info', `${phase}${reason}`);
}

/** Sensors that this reading knows; the others keep their last value. */
function known(reading: mft.v1.IDeviceReading): mft.v1.IDeviceReading {
  return Object.fromEntries(
    Object.entries(reading).filter(([, value]) => value !== null && value !== undefined),
  );
}

function note(view: RunView, line: RecentLine): RunView {
  const recent = [...view.recent, line].slice(-MAX_RECENT);
  const serious = line.level === 'warning' || line.level === 'error';
  return serious
    ? { ...view, recent, warnings: [...view.warnings, line].slice(-MAX_RECENT) }
    : { ...view, recent };
}
