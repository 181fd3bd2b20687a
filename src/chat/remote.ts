/**
 * A conversation's end on a phone: a run (ChatTask) that keeps the model, to which things are said. It lives through lost
 * contact as every run does; where its process ended meanwhile, by itself after a time without a host or because it was
 * killed, what is said next begins another attempt of it. What was said is here, so nothing is lost but the cache.
 */
import { ExitCode, MftError } from '../base/errors.ts';
import type { mft } from '../protocol/index.ts';
import type { RunStore } from '../runs/index.ts';
import {
  failedError,
  newControl,
  type RunPhone,
  RunSession,
  type RunSignal,
  type SessionEnd,
  SessionOver,
  StreamedText,
} from '../session/index.ts';
import { type Reply, replyOf } from './reply.ts';

export interface RemoteOptions {
  /** How long to try to get lost contact back. */
  contactMs: number;
  /** Told of everything that happens to the run. */
  onSignal?: (signal: RunSignal) => void;
}

export interface SayOptions {
  onText: (piece: string) => void;
  /** What was shown of the answer does not count: it comes again from its beginning. */
  onRestart: () => void;
}

interface Driven {
  session: RunSession;
  end: Promise<SessionEnd>;
  leaving: AbortController;
}

export class RemoteChat {
  private readonly store: RunStore;
  private readonly phone: RunPhone;
  private readonly id: string;
  private readonly options: RemoteOptions;
  private driven: Driven | undefined;
  private writing: { id: number; text: StreamedText } | undefined;
  private closing = false;
  private readonly ready: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(store: RunStore, phone: RunPhone, id: string, options: RemoteOptions) {
    this.store = store;
    this.phone = phone;
    this.id = id;
    this.options = options;
  }

  /**
   * Brings the model onto the phone and starts it there.
   *
   * @throws MftError as RunSession.drive, and a failure of the run itself.
   */
  async start(): Promise<void> {
    const { end } = this.drive();
    await Promise.race([this.ready.promise, end.then((how) => this.ended(how))]);
  }

  /**
   * Says something and waits for the whole answer.
   *
   * @param text the conversation so far, rendered
   * @throws MftError chat.refused when the phone can't answer that, and what start throws. After a chat.refused it goes on.
   */
  async say(text: string, { onText, onRestart }: SayOptions): Promise<Reply> {
    const control = newControl({ say: { text } });
    this.writing = { id: control.id, text: new StreamedText(onText, onRestart) };
    try {
      for (;;) {
        const { session, end } = this.drive();
        try {
          const sample = await session.submit(control, (event) => answerTo(control.id, event));
          this.writing.text.finish(sample.text ?? '');
          return replyOf(sample);
        } catch (error) {
          if (!(error instanceof SessionOver)) throw error;
          this.ended(await end); // stopped for want of a host: it is said again, to its next attempt
          if (this.closing) throw error;
        }
      }
    } finally {
      this.writing = undefined;
    }
  }

  /** Ends the answer that is being written. What was written is the answer. */
  async interrupt(): Promise<void> {
    const control = newControl({ interrupt: {} });
    await this.driven?.session
      .submit(control, (event) => (event.controlApplied?.controlId === control.id ? true : undefined))
      .catch(() => {}); // the conversation was over first
  }

  /** Ends the conversation. True: the phone has said so, and serves it no more. */
  async end(limitMs: number): Promise<boolean> {
    this.closing = true;
    const { driven } = this;
    if (driven === undefined) return true;
    const timer = setTimeout(() => driven.leaving.abort(new Error('left')), limitMs);
    try {
      void driven.session.steer('stop').catch(() => {});
      return (await driven.end).kind !== 'detached';
    } catch {
      return false; // contact was lost for good, and told before
    } finally {
      clearTimeout(timer);
    }
  }

  /** The session that is attached, or another one. */
  private drive(): Driven {
    if (this.driven !== undefined) return this.driven;
    const leaving = new AbortController();
    const session = new RunSession(this.store, this.phone, this.id, {
      contactMs: this.options.contactMs,
      signal: leaving.signal,
      again: true,
      onSignal: (signal) => this.take(signal),
    });
    const end = session.drive().finally(() => {
      if (this.driven?.session === session) this.driven = undefined;
    });
    end.catch(() => {}); // whoever says something next is told
    this.driven = { session, end, leaving };
    return this.driven;
  }

  private take(signal: RunSignal): void {
    this.options.onSignal?.(signal);
    if (signal.type !== 'event') return;
    const { event } = signal;
    if (event.attemptStarted) this.ready.resolve();
    const { textDelta } = event;
    if (textDelta && textDelta.controlId === this.writing?.id)
      this.writing.text.push(event.id?.attempt ?? 0, textDelta.text);
  }

  /** An end from which it can be taken up again is none. @throws MftError for the others. */
  private ended(end: SessionEnd): void {
    if (end.kind === 'failed') throw failedError(this.id, end.failed);
    if (end.kind === 'detached')
      throw new MftError('the conversation was left', { code: 'cancelled', exit: ExitCode.interrupted });
  }
}

/** @throws MftError chat.refused */
function answerTo(id: number, event: mft.v1.Event): mft.v1.ISample | undefined {
  if (event.sample?.controlId === id) return event.sample;
  const applied = event.controlApplied;
  if (applied?.controlId !== id || applied.accepted) return undefined;
  throw new MftError(`the phone did not take it: ${applied.message || 'no reason given'}`, {
    code: 'chat.refused',
    exit: ExitCode.runFailed,
    suggestions: ['Say something else, or /reset.'],
  });
}
