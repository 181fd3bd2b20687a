/**
 * The host's end of one connection to a run: Hello, Welcome, then events, until the stream ends. It knows nothing of adb
 * and keeps no state of the run: what is lost here is asked for again by the next connection.
 */
import type { Duplex } from 'node:stream';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';
import { encodeFrame, FrameDecoder, mft, PROTOCOL_MAJOR, PROTOCOL_MINOR } from '../protocol/index.ts';
import { type EventId, idOf, type RawEvent } from '../runs/index.ts';
import { decodeDeviceFrame } from './wire.ts';

/** The connection is gone or useless; the run may go on. The session connects again. */
export class LinkLost extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'LinkLost';
  }
}

export interface ClientOptions {
  token: Uint8Array;
  /** Newest event the host has. */
  last?: EventId | undefined;
  client: string;
  /** Longest wait for the Welcome; default 15 s. */
  helloTimeoutMs?: number;
  /** A Ping is sent after this long without a byte, and after as long again the link counts as lost; default 10 s. */
  idleMs?: number;
}

const REFUSAL_HELP: Record<number, string> = {
  [mft.v1.Refused.Reason.REASON_PROTOCOL]:
    'The run was started by another version of mft: use that version to attach.',
  [mft.v1.Refused.Reason.REASON_TOKEN]:
    "Only the host that started a run holds its token, in the run's folder below MFT_HOME.",
};

function refusal(refused: mft.v1.IRefused): MftError {
  return new MftError(`the run refused this host: ${refused.message || 'no reason given'}`, {
    code: 'session.refused',
    exit: ExitCode.usage,
    suggestions: [
      REFUSAL_HELP[refused.reason ?? 0] ?? 'Report this: the two sides do not understand each other.',
    ],
    ref: 'docs/protocol.md',
  });
}

export class SessionClient {
  readonly welcome: mft.v1.IWelcome;
  private readonly stream: Duplex;
  private readonly incoming: AsyncGenerator<Uint8Array[], void, void>;
  private readonly idleMs: number;
  /** The next event must follow this one. */
  private last: EventId | undefined;
  private early: Uint8Array[];

  private constructor(
    stream: Duplex,
    incoming: AsyncGenerator<Uint8Array[], void, void>,
    hello: { welcome: mft.v1.IWelcome; early: Uint8Array[] },
    options: ClientOptions,
  ) {
    this.stream = stream;
    this.incoming = incoming;
    this.welcome = hello.welcome;
    this.early = hello.early;
    this.idleMs = options.idleMs ?? 10_000;
    this.last = options.last;
  }

  /**
   * Says Hello and waits for the Welcome.
   *
   * @throws MftError session.refused: the run said no, with words.
   * @throws LinkLost the stream ended or said nothing, or something that is not the protocol.
   */
  static async open(stream: Duplex, options: ClientOptions): Promise<SessionClient> {
    stream.on('error', () => {}); // reading reports it; a late one must not end the process
    const timer = setTimeout(
      () => stream.destroy(new Error('no Welcome in time')),
      options.helloTimeoutMs ?? 15_000,
    );
    try {
      const { last } = options;
      write(stream, {
        hello: {
          protocolMajor: PROTOCOL_MAJOR,
          protocolMinor: PROTOCOL_MINOR,
          token: options.token,
          client: options.client,
          ...(last === undefined ? {} : { last }),
        },
      });
      const incoming = frames(stream);
      const { value: batch = [] } = await incoming.next();
      const [first, ...early] = batch;
      if (first === undefined) throw new LinkLost('the run closed the connection without a word');
      const decoded = decode(first);
      if (decoded.type === 'event') throw new LinkLost('expected a Welcome, got an event');
      if (decoded.frame.refused) throw refusal(decoded.frame.refused);
      const { welcome } = decoded.frame;
      if (!welcome) throw new LinkLost('expected a Welcome, got another frame');
      if (welcome.protocolMajor !== PROTOCOL_MAJOR)
        throw refusal({
          reason: mft.v1.Refused.Reason.REASON_PROTOCOL,
          message: `it speaks protocol ${welcome.protocolMajor}, this mft ${PROTOCOL_MAJOR}`,
        });
      return new SessionClient(stream, incoming, { welcome, early }, options);
    } catch (error) {
      stream.destroy();
      throw error instanceof MftError || error instanceof LinkLost
        ? error
        : new LinkLost(messageOf(error), error);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Events as they come, those of one chunk together. Ends when the stream ends; whether the run has ended only its
   * events say.
   *
   * @throws LinkLost cut in a frame, silent for too long, out of order, or not the protocol.
   */
  async *events(): AsyncGenerator<RawEvent[], void, void> {
    let waiting = 0;
    let nonce = 0;
    let consuming = false; // the consumer's time is not the phone's silence
    const watch = setInterval(() => {
      waiting = consuming ? 0 : waiting + 1;
      if (waiting > 2) this.stream.destroy(new Error('the phone has gone silent'));
      else if (waiting > 1) {
        nonce += 1;
        write(this.stream, { ping: { nonce } });
      }
    }, this.idleMs);
    try {
      if (this.early.length > 0) yield* this.accept(this.early);
      this.early = [];
      for await (const batch of this.incoming) {
        consuming = true;
        yield* this.accept(batch);
        consuming = false;
        waiting = 0;
      }
    } catch (error) {
      throw error instanceof MftError || error instanceof LinkLost
        ? error
        : new LinkLost(messageOf(error), error);
    } finally {
      clearInterval(watch);
      this.stream.destroy();
    }
  }

  /** Sends a control; its acknowledgement is an event. */
  send(control: mft.v1.Control.$Properties): void {
    write(this.stream, { control });
  }

  close(): void {
    this.stream.destroy();
  }

  private *accept(batch: Uint8Array[]): Generator<RawEvent[], void, void> {
    const events: RawEvent[] = [];
    for (const payload of batch) {
      const incoming = decode(payload);
      if (incoming.type === 'event') {
        this.follow(idOf(incoming.raw.event));
        events.push(incoming.raw);
      } else if (incoming.frame.refused) {
        throw refusal(incoming.frame.refused);
      }
    }
    if (events.length > 0) yield events;
  }

  /** No event may be left out: within an attempt they are numbered without gaps, a new attempt begins at 1. */
  private follow(id: EventId): void {
    const { last } = this;
    const next =
      last === undefined
        ? id.sequence === 1
        : id.attempt === last.attempt
          ? id.sequence === last.sequence + 1
          : id.attempt > last.attempt && id.sequence === 1;
    if (!next) {
      const after = last === undefined ? 'the beginning' : `${last.attempt}:${last.sequence}`;
      throw new LinkLost(`event ${id.attempt}:${id.sequence} does not follow ${after}`);
    }
    this.last = id;
  }
}

function decode(payload: Uint8Array): ReturnType<typeof decodeDeviceFrame> {
  try {
    return decodeDeviceFrame(payload);
  } catch (error) {
    throw new LinkLost(`not a frame of this protocol: ${messageOf(error)}`, error);
  }
}

function write(stream: Duplex, frame: mft.v1.HostFrame.$Properties): void {
  if (!stream.destroyed && stream.writable)
    stream.write(encodeFrame(mft.v1.HostFrame.encode(frame).finish()));
}

/** Whole frames, those of one chunk together. */
async function* frames(stream: Duplex): AsyncGenerator<Uint8Array[], void, void> {
  const decoder = new FrameDecoder();
  for await (const chunk of stream) {
    const batch = decoder.push(chunk as Buffer);
    if (batch.length > 0) yield batch;
  }
  if (decoder.buffered > 0) throw new LinkLost('the stream was cut within a frame');
}
