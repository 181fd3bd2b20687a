import { Command } from './message.ts';

/** Incoming bytes that may wait for a service; beyond it the peer's next WRTE is not acknowledged. */
const INCOMING_LIMIT = 4 * 1024 * 1024;
/** Outgoing bytes that may wait for the peer; beyond it `write` waits. */
const OUTGOING_LIMIT = 2 * 1024 * 1024;

/** What a stream needs of its transport. */
export interface StreamCarrier {
  readonly maxPayload: number;
  send(command: number, arg0: number, arg1: number, payload?: Buffer): void;
  /** The stream has closed on both sides. */
  forget(localId: number): void;
}

/** The peer has closed, or the transport is lost: what is written goes nowhere. */
export class StreamClosed extends Error {
  constructor() {
    super('stream closed');
  }
}

/**
 * One ADB stream. One WRTE of ours is unacknowledged at a time, the rest waits and is merged; CLSE is sent only after the last
 * acknowledgement, because a CLSE that overtakes makes older hosts drop data.
 */
export class AdbStream {
  readonly localId: number;
  readonly #carrier: StreamCarrier;
  #remoteId: number;
  #incoming: Buffer[] = [];
  #incomingBytes = 0;
  #ackOwed = false;
  #readers: (() => void)[] = [];
  #outgoing: Buffer[] = [];
  #outgoingBytes = 0;
  #unacknowledged = false;
  #writers: (() => void)[] = [];
  #ending = false;
  #sentClose = false;
  #remoteClosed = false;
  readonly #closed = new AbortController();
  #opened: ((accepted: boolean) => void) | undefined;
  /** Nothing may be sent before the OKAY that answers the peer's OPEN. */
  #accepted: boolean;

  /** @param remoteId the peer's id, 0 while it has not answered our OPEN. */
  constructor(carrier: StreamCarrier, localId: number, remoteId: number) {
    this.#accepted = remoteId === 0;
    this.#carrier = carrier;
    this.localId = localId;
    this.#remoteId = remoteId;
  }

  /** Aborted when the peer closes or the transport is lost. */
  get signal(): AbortSignal {
    return this.#closed.signal;
  }

  /** Waits for the peer's answer to our OPEN: true for OKAY, false for CLSE. */
  opened(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#opened = resolve;
    });
  }

  /** From the transport: the peer's OPEN has been answered with OKAY. */
  accepted(): void {
    this.#accepted = true;
    this.#pump();
  }

  /** The next piece, or null when the peer has closed and all was read. */
  async read(): Promise<Buffer | null> {
    for (;;) {
      const piece = this.#incoming.shift();
      if (piece !== undefined) {
        this.#incomingBytes -= piece.length;
        if (this.#ackOwed && this.#incomingBytes < INCOMING_LIMIT) this.#acknowledge();
        return piece;
      }
      if (this.#remoteClosed) return null;
      await new Promise<void>((resolve) => this.#readers.push(resolve));
    }
  }

  /** Sends; resolves when there is room for more. @throws StreamClosed */
  async write(data: Buffer): Promise<void> {
    if (this.#remoteClosed || this.#ending) throw new StreamClosed();
    if (data.length > 0) {
      this.#outgoing.push(data);
      this.#outgoingBytes += data.length;
      this.#pump();
    }
    while (this.#outgoingBytes > OUTGOING_LIMIT) {
      await new Promise<void>((resolve) => this.#writers.push(resolve));
      if (this.#remoteClosed) throw new StreamClosed();
    }
  }

  /** Closes after everything written has been acknowledged. */
  end(): void {
    this.#ending = true;
    this.#pump();
  }

  /** From the transport: a WRTE of the peer. Returns false if the peer does not keep to flow control. */
  received(payload: Buffer): boolean {
    if (this.#ackOwed) return false;
    if (this.#ending && this.#sentClose) return true;
    this.#incoming.push(payload);
    this.#incomingBytes += payload.length;
    if (this.#incomingBytes < INCOMING_LIMIT) this.#acknowledge();
    else this.#ackOwed = true;
    this.#wake(this.#readers);
    return true;
  }

  /** From the transport: an OKAY of the peer. */
  acknowledged(remoteId: number): void {
    if (this.#remoteId === 0) {
      this.#remoteId = remoteId;
      this.#opened?.(true);
      this.#pump();
      return;
    }
    this.#unacknowledged = false;
    this.#pump();
  }

  /** From the transport: a CLSE of the peer, or the transport's end (then nothing is sent any more). */
  remoteClosed(transportLost: boolean): void {
    if (this.#remoteClosed) return;
    this.#remoteClosed = true;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    if (!this.#sentClose && !transportLost && this.#remoteId !== 0) {
      this.#sentClose = true;
      this.#carrier.send(Command.CLSE, this.localId, this.#remoteId);
    }
    this.#carrier.forget(this.localId);
    this.#opened?.(false);
    this.#wake(this.#readers);
    this.#wake(this.#writers);
    this.#closed.abort(new StreamClosed());
  }

  #acknowledge(): void {
    this.#ackOwed = false;
    if (!this.#remoteClosed) this.#carrier.send(Command.OKAY, this.localId, this.#remoteId);
  }

  #pump(): void {
    if (!this.#accepted || this.#remoteId === 0) return;
    if (this.#unacknowledged || this.#remoteClosed || this.#sentClose) return;
    if (this.#outgoingBytes > 0) {
      const payload = this.#takeOutgoing(this.#carrier.maxPayload);
      this.#unacknowledged = true;
      this.#carrier.send(Command.WRTE, this.localId, this.#remoteId, payload);
      if (this.#outgoingBytes <= OUTGOING_LIMIT) this.#wake(this.#writers);
    } else if (this.#ending) {
      this.#sentClose = true;
      this.#carrier.send(Command.CLSE, this.localId, this.#remoteId);
    }
  }

  #takeOutgoing(limit: number): Buffer {
    const parts: Buffer[] = [];
    let room = limit;
    while (room > 0) {
      const first = this.#outgoing[0];
      if (first === undefined) break;
      if (first.length <= room) {
        parts.push(first);
        this.#outgoing.shift();
        room -= first.length;
      } else {
        parts.push(first.subarray(0, room));
        this.#outgoing[0] = first.subarray(room);
        room = 0;
      }
    }
    const [only] = parts;
    const payload = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    this.#outgoingBytes -= payload.length;
    return payload;
  }

  #wake(waiting: (() => void)[]): void {
    for (const resolve of waiting.splice(0)) resolve();
  }
}
