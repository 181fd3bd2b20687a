/**
 * One host's time with a run: asks the phone how the run is, does what is missing (deploy, start, attach), takes every
 * event into the record, and after whatever interrupts it asks again. The phone decides, never what this host remembers:
 * that is why the same loop completes a run after a crash of the host at any point.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import { log } from '../base/log.ts';
import { version } from '../base/version.ts';
import { mft } from '../protocol/index.ts';
import { follow, type RunRecord, type RunStore } from '../runs/index.ts';
import { LinkLost, SessionClient } from './client.ts';
import { type ControlAction, type IdentifiedControl, newControl } from './control.ts';
import { isEnd, mayRun } from './machine.ts';
import { endOf, isLost, lostContact, type SessionEnd } from './outcome.ts';
import type { RunPhone } from './phone.ts';
import { RunRecorder } from './recorder.ts';
import { runToken } from './token.ts';
import type { RunSignal } from './view.ts';

export interface SessionOptions {
  onSignal?: (signal: RunSignal) => void;
  /** Aborted: detach. */
  signal?: AbortSignal;
  /** How long to try to get contact back before giving up; default 10 minutes. */
  contactMs?: number;
  /** Leave as soon as the run has started. */
  detachAfterStart?: boolean;
  /** Begin a new attempt of a run that ended as failed or stopped. */
  again?: boolean;
}

/** Restarts in a row that brought the run no further than it had been. */
const MAX_FRUITLESS_RESTARTS = 3;

class CrashLoop extends Error {}

/** The session has ended before the run answered. */
export class SessionOver extends Error {
  constructor() {
    super('the session is over');
    this.name = 'SessionOver';
  }
}

interface Pending {
  control: IdentifiedControl;
  /** Takes the answer; false of an event that is none. */
  settle: (event: mft.v1.Event) => boolean;
  reject: (error: Error) => void;
}

export class RunSession {
  readonly id: string;
  private readonly phone: RunPhone;
  private readonly recorder: RunRecorder;
  private readonly options: SessionOptions;
  private readonly token: Uint8Array;
  private readonly pending = new Map<number, Pending>();
  private client: SessionClient | undefined;
  private again: boolean;
  private started = false;
  private leftAfterStart = false;
  private over = false;
  private begun = false;
  private fruitless = 0;
  private progressAtStart = 0;
  /** An end of an earlier attempt than this is not the end. */
  private minAttempt = 0;
  /** Counts everything that says that contact is of use: events, progress of transfers. */
  private signsOfLife = 0;

  constructor(store: RunStore, phone: RunPhone, id: string, options: SessionOptions = {}) {
    this.id = id;
    this.phone = phone;
    this.options = options;
    this.again = options.again ?? false;
    this.token = runToken(store, id);
    this.recorder = new RunRecorder(store, id, (signal) => {
      options.onSignal?.(signal);
      if (signal.type === 'event') this.acknowledge(signal.event); // from a journal that nobody serves, too
    });
  }

  /**
   * To the run's end, or until the host leaves.
   *
   * @throws MftError session.lost-contact (6), run.crash-loop (5), session.refused (2), what deploy and start say (2, 4).
   */
  async drive(): Promise<SessionEnd> {
    using _followed = follow(this.recorder.store.folder(this.id));
    try {
      return await this.live();
    } finally {
      this.over = true;
      for (const { reject } of this.pending.values()) reject(new SessionOver());
      this.pending.clear();
    }
  }

  private async live(): Promise<SessionEnd> {
    const { recorder } = this;
    recorder.catchUp();
    const { state } = recorder;
    if (isEnd(state) && recorder.end && !this.again) return endOf(recorder.end);
    this.started = mayRun(state);
    if (state === 'planned') recorder.enter('deploying');
    else recorder.enter('recovering', `was ${state}`);
    let lostSince: number | undefined;
    for (;;) {
      const signsBefore = this.signsOfLife;
      try {
        return await this.round();
      } catch (error) {
        if (this.leaving) return this.leave();
        if (error instanceof CrashLoop) throw await this.crashLoop();
        if (!isLost(error)) throw this.giveUp(error);
        if (this.signsOfLife > signsBefore) lostSince = undefined;
        lostSince ??= Date.now();
        await this.recover(error, lostSince);
        if (this.leaving) return this.leave();
      }
    }
  }

  /** Sends a control and waits for its acknowledgement, across lost contact if need be. Rejects when the session ends first. */
  steer(action: ControlAction): Promise<mft.v1.IControlApplied> {
    const control = newControl(action);
    return this.submit(control, ({ controlApplied }) =>
      controlApplied?.controlId === control.id ? controlApplied : undefined,
    );
  }

  /**
   * Sends a control, and the same again after each lost contact, until an event is the answer to it.
   *
   * @param answerIn the answer, of the event that brings it; may throw what the answer means
   * @throws SessionOver when the session ends first; what answerIn throws.
   */
  async submit<T>(control: IdentifiedControl, answerIn: (event: mft.v1.Event) => T | undefined): Promise<T> {
    if (this.over) throw new SessionOver();
    const answer = new Promise<T>((resolve, reject) => {
      const settle = (event: mft.v1.Event) => {
        try {
          const found = answerIn(event);
          if (found !== undefined) resolve(found);
          return found !== undefined;
        } catch (error) {
          reject(error);
          return true;
        }
      };
      this.pending.set(control.id, { control, settle, reject });
    });
    this.client?.send(control);
    return answer;
  }

  private get run(): RunRecord {
    return this.recorder.store.get(this.id);
  }

  private get leaving(): boolean {
    return this.leftAfterStart || this.options.signal?.aborted === true;
  }

  /** From the phone's answer to "how is the run?" to the end of one connection. */
  private async round(): Promise<SessionEnd> {
    this.options.signal?.throwIfAborted();
    const status = await this.phone.status(this.run);
    log('session').debug({ run: this.id, alive: status.alive, ended: status.ended }, 'status');
    if (!status.alive) {
      if (status.journalLast) await this.drain();
      const { end } = this.recorder;
      if (status.ended && end && !this.again) return this.conclude(end);
      await this.begin();
      if (this.options.detachAfterStart) {
        this.leftAfterStart = true;
        return this.leave();
      }
    }
    return this.attach();
  }

  /** Takes in what the journal has and this host lacks, of a run that no process serves. */
  private async drain(): Promise<void> {
    this.recorder.catchUp();
    for await (const batch of this.phone.journal(this.run, this.recorder.cursor)) this.recorder.take(batch);
  }

  private async begin(): Promise<void> {
    const { recorder } = this;
    this.countStart();
    if (this.run.collected) recorder.store.update(this.id, { collected: false });
    if (recorder.state !== 'deploying') recorder.enter('deploying');
    await this.phone.deploy(this.run, this.token, {
      ...(this.options.signal ? { signal: this.options.signal } : {}),
      onProgress: (report) => {
        this.signsOfLife += 1;
        recorder.signal({ type: 'transfer', report, timeMs: Date.now() });
      },
    });
    this.options.signal?.throwIfAborted();
    if (!this.run.facts)
      recorder.store.update(this.id, {
        facts: mft.v1.DeviceFacts.encode(await this.phone.facts(this.run)).finish(),
      });
    recorder.enter('starting');
    const attempt = (recorder.cursor?.attempt ?? 0) + 1;
    this.started = true; // even if the answer gets lost
    await this.phone.start(this.run, attempt);
    this.minAttempt = attempt;
    this.again = false;
  }

  /** Restarts that are to be counted: those after which nothing was reached that had not been reached before. */
  private countStart(): void {
    const { progress } = this.recorder;
    if (progress > this.progressAtStart) this.fruitless = 0;
    if (this.begun) this.fruitless += 1;
    this.begun = true;
    this.progressAtStart = progress;
    if (this.fruitless > MAX_FRUITLESS_RESTARTS) throw new CrashLoop();
  }

  /** One connection: Hello, replay, live, until the run's last word. */
  private async attach(): Promise<SessionEnd> {
    const { recorder } = this;
    recorder.catchUp();
    if (recorder.end && (recorder.end.id?.attempt ?? 0) >= this.minAttempt && !this.again)
      return this.conclude(recorder.end);
    const { stream } = await this.phone.connect(this.run);
    const leave = () => stream.destroy();
    this.options.signal?.addEventListener('abort', leave);
    try {
      this.options.signal?.throwIfAborted();
      const last = recorder.cursor;
      const client = await SessionClient.open(stream, { token: this.token, last, client: `mft ${version}` });
      this.greet(client);
      for await (const batch of client.events()) {
        this.signsOfLife += 1;
        recorder.take(batch);
        if (recorder.end) return this.conclude(recorder.end);
      }
      throw new LinkLost('the runtime closed the connection before the run had ended');
    } finally {
      this.client = undefined;
      this.options.signal?.removeEventListener('abort', leave);
      stream.destroy();
    }
  }

  private greet(client: SessionClient): void {
    const { recorder } = this;
    const { runtimeVersion, hostAhead, journalLast } = client.welcome;
    this.client = client;
    this.started = true;
    recorder.store.update(this.id, { runtimeVersion: runtimeVersion ?? '' });
    recorder.enter('attached');
    if (hostAhead)
      recorder.warn(
        'host-ahead',
        `the phone's journal lost its tail: it ends at ${journalLast?.attempt ?? 0}:${journalLast?.sequence ?? 0}, ` +
          `this host has ${recorder.cursor?.attempt}:${recorder.cursor?.sequence}; the record keeps what the phone lost`,
      );
    for (const { control } of this.pending.values()) client.send(control);
  }

  private acknowledge(event: mft.v1.Event): void {
    for (const [id, { settle }] of this.pending) if (settle(event)) this.pending.delete(id);
  }

  private conclude(event: mft.v1.Event): SessionEnd {
    const end = endOf(event);
    if (end.kind === 'failed')
      this.recorder.store.update(this.id, {
        failure: end.failed.code || 'run.failed',
        reason: end.failed.message ?? '',
      });
    this.recorder.enter(end.kind, end.kind === 'failed' ? (end.failed.message ?? '') : '');
    return end;
  }

  /** Waits until the phone answers again; then the next round asks it how the run is. */
  private async recover(error: unknown, lostSince: number): Promise<void> {
    const { recorder, options, phone } = this;
    const limit = options.contactMs ?? 600_000;
    const elapsed = Date.now() - lostSince;
    recorder.enter('lost', messageOf(error));
    if (elapsed > limit) throw lostContact(this.id, phone.name, elapsed, error);
    const signal = options.signal ? { signal: options.signal } : {};
    try {
      // The first try is at once; a phone that drops every connection is not asked in a hot loop.
      await sleep(Math.min(elapsed / 4, 5000), undefined, signal);
      await phone.reconnect({ ...signal, timeoutMs: Math.max(1000, limit - elapsed) });
    } catch (cause) {
      if (this.leaving) return;
      throw isLost(cause) ? lostContact(this.id, phone.name, Date.now() - lostSince, cause) : cause;
    }
    recorder.enter('recovering');
  }

  /** What no new try heals. A refusal says nothing about the run; all else ends it, as far as this host can. */
  private giveUp(error: unknown): unknown {
    const code = error instanceof MftError ? error.code : 'internal';
    if (code === 'session.refused') return error;
    this.recorder.store.update(this.id, { failure: code, reason: messageOf(error) });
    this.recorder.enter('failed', messageOf(error));
    return error;
  }

  private async crashLoop(): Promise<MftError> {
    const tail = await this.phone.logTail(this.run).catch(() => '');
    const message =
      `the runtime died, and was started again ${MAX_FRUITLESS_RESTARTS} times without getting further than ` +
      `step ${this.recorder.maxStep}`;
    this.recorder.store.update(this.id, { failure: 'run.crash-loop', reason: message });
    this.recorder.enter('failed', message);
    return new MftError(tail === '' ? message : `${message}. The end of its log:\n${tail}`, {
      code: 'run.crash-loop',
      exit: ExitCode.runFailed,
      suggestions: [
        'If the phone ran out of memory: a smaller train.batch_size or data.sequence_length.',
        `mft resume ${this.id} tries again.`,
      ],
    });
  }

  private leave(): SessionEnd {
    const { state } = this.recorder;
    if (this.started && !isEnd(state) && state !== 'detached') this.recorder.enter('detached');
    return { kind: 'detached', started: this.started };
  }
}
