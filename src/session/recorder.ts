import type { mft } from '../protocol/index.ts';
import { type EventId, idOf, type RawEvent, type RunState, type RunStore } from '../runs/index.ts';
import { assertTransition } from './machine.ts';
import type { RunSignal } from './view.ts';

/**
 * Between the phone and whoever watches: everything is in the record before it is shown, and is shown once, in order.
 * Other mft processes may write to the same record meanwhile (`mft pause` from another terminal).
 */
export class RunRecorder {
  readonly id: string;
  readonly store: RunStore;
  /** Newest event that was shown; the phone is asked for what follows it. */
  cursor: EventId | undefined;
  /** The run's own last word, as long as no newer attempt has begun. */
  end: mft.v1.Event | undefined;
  /** Highest optimizer step that any attempt reached. */
  maxStep = 0;
  /** Texts that were written, each once. */
  private readonly written = new Set<string>();
  /** Of a multiple choice, scored. */
  private questions = 0;
  private readonly onSignal: (signal: RunSignal) => void;
  private hostCursor = 0;

  constructor(store: RunStore, id: string, onSignal: (signal: RunSignal) => void) {
    this.store = store;
    this.id = id;
    this.onSignal = onSignal;
  }

  get state(): RunState {
    return this.store.get(this.id).state;
  }

  /** How far the run got in all its attempts: grows with what no attempt had reached before. */
  get progress(): number {
    return this.maxStep + this.written.size + this.questions;
  }

  /** Shows what the record has and was not shown yet. */
  catchUp(): void {
    for (const { attempt, sequence, event } of this.store.events(this.id, this.cursor)) {
      this.show(event, true);
      this.cursor = { attempt, sequence };
    }
    this.showHostEvents(this.hostCursor === 0);
  }

  /** Stores events that came from the phone, then shows them. */
  take(events: readonly RawEvent[]): void {
    this.store.append(this.id, events);
    for (const { event } of events) {
      this.show(event, false);
      this.cursor = idOf(event);
    }
    this.showHostEvents();
  }

  /** Enters a state, unless the run is in it already. */
  enter(state: RunState, reason = ''): void {
    const from = this.state;
    if (from === state && state !== 'recovering') return;
    assertTransition(from, state);
    this.store.setState(this.id, state, reason);
    this.showHostEvents();
  }

  warn(code: string, message: string): void {
    this.store.warn(this.id, code, message);
    this.showHostEvents();
  }

  signal(signal: RunSignal): void {
    this.onSignal(signal);
  }

  private show(event: mft.v1.Event, replayed: boolean): void {
    if (event.finished || event.failed) this.end = event;
    else if (this.end && idOf(event).attempt > idOf(this.end).attempt) this.end = undefined;
    if (event.step) this.maxStep = Math.max(this.maxStep, event.step.step);
    if (event.sample) {
      const { step, promptIndex, controlId } = event.sample;
      this.written.add(`${step}:${promptIndex}:${controlId}`);
    }
    if (event.choiceScored) this.questions = Math.max(this.questions, event.choiceScored.index + 1);
    this.onSignal({ type: 'event', event, replayed });
  }

  private showHostEvents(replayed = false): void {
    for (const { number, timeMs, kind, code, message } of this.store.hostEvents(this.id, this.hostCursor)) {
      this.hostCursor = number;
      this.onSignal(
        kind === 'warning'
          ? { type: 'warning', code, message, timeMs, replayed }
          : { type: 'transition', state: code as RunState, reason: message, timeMs, replayed },
      );
    }
  }
}
