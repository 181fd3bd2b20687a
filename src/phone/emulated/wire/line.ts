import type { Socket } from 'node:net';

/** How the cable is: shared by all connections of a phone, changed by faults. */
export class LineConditions {
  #stalled: Promise<void> | undefined;
  #unstall: (() => void) | undefined;
  bytesPerSecond: number | undefined;

  get stalled(): Promise<void> | undefined {
    return this.#stalled;
  }

  stall(): void {
    if (this.#stalled !== undefined) return;
    this.#stalled = new Promise((resolve) => {
      this.#unstall = resolve;
    });
  }

  clear(): void {
    this.bytesPerSecond = undefined;
    this.#unstall?.();
    this.#stalled = undefined;
    this.#unstall = undefined;
  }
}

/** A slow cable still moves in small pieces, so that a progress display has something to show. */
const SLOW_PIECE = 16 * 1024;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** One TCP connection, seen through the line's conditions. */
export class Line {
  readonly #socket: Socket;
  readonly #conditions: LineConditions;
  #outgoing: Promise<void> = Promise.resolve();
  #busy = false;
  #receive: ((chunk: Buffer) => void) | undefined;

  constructor(socket: Socket, conditions: LineConditions) {
    this.#socket = socket;
    this.#conditions = conditions;
    socket.setNoDelay(true);
  }

  /** @param receive gets each piece as it comes; an exception from it drops the connection. */
  start(receive: (chunk: Buffer) => void, closed: () => void): void {
    this.#receive = receive;
    this.#socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('close', closed);
  }

  #onData(chunk: Buffer): void {
    const { stalled, bytesPerSecond } = this.#conditions;
    if (stalled === undefined && bytesPerSecond === undefined) {
      this.#deliver(chunk);
      return;
    }
    this.#socket.pause();
    void this.#deliverLate(chunk).then(() => this.#socket.resume());
  }

  async #deliverLate(chunk: Buffer): Promise<void> {
    let at = 0;
    while (at < chunk.length) {
      await this.#conditions.stalled;
      const rate = this.#conditions.bytesPerSecond;
      const piece = chunk.subarray(at, rate === undefined ? undefined : at + SLOW_PIECE);
      if (rate !== undefined) await sleep((piece.length * 1000) / rate);
      await this.#conditions.stalled;
      this.#deliver(piece);
      at += piece.length;
    }
  }

  #deliver(chunk: Buffer): void {
    if (this.#socket.destroyed) return;
    try {
      this.#receive?.(chunk);
    } catch {
      this.#socket.destroy();
    }
  }

  /** Sends the pieces in order. Never waits: the streams above limit what is under way. */
  send(...pieces: Buffer[]): void {
    const { stalled, bytesPerSecond } = this.#conditions;
    if (!this.#busy && stalled === undefined && bytesPerSecond === undefined) {
      this.#write(pieces);
      return;
    }
    this.#busy = true;
    const turn = this.#outgoing.then(() => this.#sendLate(Buffer.concat(pieces)));
    this.#outgoing = turn;
    void turn.then(() => {
      if (this.#outgoing === turn) this.#busy = false;
    });
  }

  async #sendLate(data: Buffer): Promise<void> {
    let at = 0;
    while (at < data.length && !this.#socket.destroyed) {
      await this.#conditions.stalled;
      const rate = this.#conditions.bytesPerSecond;
      const piece = data.subarray(at, rate === undefined ? undefined : at + SLOW_PIECE);
      if (rate !== undefined) await sleep((piece.length * 1000) / rate);
      await this.#conditions.stalled;
      this.#write([piece]);
      at += piece.length;
    }
  }

  #write(pieces: Buffer[]): void {
    if (this.#socket.destroyed) return;
    this.#socket.cork();
    for (const piece of pieces) if (piece.length > 0) this.#socket.write(piece);
    this.#socket.uncork();
  }

  /** Drops the connection as a pulled cable does: at once, with a reset. */
  drop(): void {
    this.#socket.resetAndDestroy();
  }
}
