import { connect, createServer, type Server, type Socket } from 'node:net';
import { LineConditions } from '../emulated/wire/line.ts';
import { Introduction } from './introduction.ts';

/** A slow cable still moves in small pieces, so that a progress display has something to show. */
const SLOW_PIECE = 16 * 1024;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The TCP port on 127.0.0.1 that stands for the phone's adbd, and what can happen to a cable. */
export class Cable {
  readonly conditions = new LineConditions();
  readonly #target: string;
  readonly #properties: ReadonlyMap<string, string>;
  /** Each host's connection, and the one to adbd that it goes on in. */
  readonly #connections = new Map<Socket, Socket>();
  #server: Server | undefined;
  #port = 0;

  /**
   * @param target the Unix socket that leads to adbd
   * @param properties what adbd introduces itself with
   */
  constructor(target: string, properties: ReadonlyMap<string, string>) {
    this.#target = target;
    this.#properties = properties;
  }

  get port(): number {
    return this.#port;
  }

  get listening(): boolean {
    return this.#server !== undefined;
  }

  /** @throws the system's error, EADDRINUSE among them */
  async listen(port: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    this.#server = server;
    this.#port = port;
  }

  /** New connections are refused; those that are open stay. */
  stopListening(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  /** As when the cable is pulled: at once, with a reset. */
  dropAll(): void {
    for (const [host, phone] of this.#connections) {
      phone.destroy();
      host.resetAndDestroy();
    }
  }

  #accept(host: Socket): void {
    const phone = connect({ path: this.#target, allowHalfOpen: true });
    this.#connections.set(host, phone);
    host.on('close', () => this.#connections.delete(host));
    for (const [socket, peer] of [
      [host, phone],
      [phone, host],
    ] as const) {
      socket.on('error', () => socket.destroy());
      socket.on('close', () => peer.destroySoon());
    }
    const introduction = new Introduction(this.#properties);
    this.#carry(host, phone, (chunk) => chunk);
    this.#carry(phone, host, (chunk) => introduction.push(chunk));
  }

  #carry(from: Socket, to: Socket, change: (chunk: Buffer) => Buffer): void {
    let late: Promise<void> | undefined;
    from.on('data', (received: Buffer) => {
      const chunk = change(received);
      const { stalled, bytesPerSecond } = this.conditions;
      if (stalled !== undefined || bytesPerSecond !== undefined) {
        from.pause();
        late = this.#carryLate(chunk, to).then(() => {
          late = undefined;
          from.resume();
        });
      } else if (!to.write(chunk)) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    });
    from.on('end', () => void Promise.resolve(late).then(() => to.end()));
  }

  async #carryLate(chunk: Buffer, to: Socket): Promise<void> {
    for (let at = 0; at < chunk.length && !to.destroyed; ) {
      await this.conditions.stalled;
      const rate = this.conditions.bytesPerSecond;
      const piece = chunk.subarray(at, rate === undefined ? undefined : at + SLOW_PIECE);
      if (rate !== undefined) await sleep((piece.length * 1000) / rate);
      await this.conditions.stalled;
      if (!to.destroyed) to.write(piece);
      at += piece.length;
    }
  }
}
