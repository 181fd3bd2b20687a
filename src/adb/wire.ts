import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { AdbFail } from './errors.ts';
import type { ServerAddress } from './types.ts';

// CommonJS with its class at `exports.default`: bundlers and test runners disagree on what importing that gives, and
// require does not. One file of adbkit, because its index loads three times as much.
const { default: Connection } = createRequire(import.meta.url)(
  '@devicefarmer/adbkit/dist/src/adb/connection.js',
) as typeof import('@devicefarmer/adbkit/dist/src/adb/connection.js');
type Connection = InstanceType<typeof Connection>;

/** The length of a service name is four hex digits; adbkit would send five without a word. */
const MAX_SERVICE_BYTES = 0xffff;

/**
 * One TCP connection to an adb server: adbkit's Connection and Parser behind native promises. The only file that
 * knows adbkit. What adbkit does not do is done here: a connection that is destroyed settles what waits on it, and
 * nothing is started behind the caller's back.
 */
export class Wire {
  readonly socket: Socket;
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
    this.socket = connection.socket;
  }

  /** @throws the socket's own error (ECONNREFUSED ...), or the signal's reason. */
  static async dial(address: ServerAddress, signal?: AbortSignal): Promise<Wire> {
    signal?.throwIfAborted();
    const connection = new Connection({ host: address.host, port: address.port });
    // Its own attempt to start a server would also be made for a remote one; AdbServer does that.
    Object.assign(connection, { triedStarting: true });
    // A reset that comes while nobody reads must not be an uncaught exception: the next read reports it.
    connection.on('error', () => {});
    const connected = new Promise<void>((resolve, reject) => connection.connect().then(resolve, reject));
    const onAbort = () => connection.socket.destroy(abortError(signal));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await connected;
    } catch (error) {
      connection.socket.destroy();
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
    return new Wire(connection);
  }

  /**
   * Sends a service name and waits for OKAY.
   * @throws AdbFail with the peer's words when it answers FAIL.
   */
  async request(service: string): Promise<void> {
    const name = Buffer.from(service);
    if (name.length > MAX_SERVICE_BYTES)
      throw new RangeError(`an adb service name of ${name.length} bytes is over ${MAX_SERVICE_BYTES}`);
    this.socket.write(
      Buffer.concat([Buffer.from(name.length.toString(16).padStart(4, '0').toUpperCase()), name]),
    );
    const reply = (await this.bytes(4)).toString('latin1');
    if (reply === 'OKAY') return;
    if (reply === 'FAIL') throw new AdbFail((await this.value()).toString().trim());
    throw new Error(`not an adb server: answered ${JSON.stringify(reply)} instead of OKAY or FAIL`);
  }

  /** A value with four hex digits of length before it, as the server's own answers have. */
  async value(): Promise<Buffer> {
    const digits = (await this.bytes(4)).toString('latin1');
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new Error(`malformed length ${JSON.stringify(digits)}`);
    return this.bytes(Number.parseInt(digits, 16));
  }

  /** Exactly `count` bytes. @throws when the stream ends or breaks before. */
  bytes(count: number): Promise<Buffer> {
    const { socket } = this;
    if (count === 0) return Promise.resolve(Buffer.alloc(0));
    if (socket.destroyed) return Promise.reject(socket.errored ?? new Error('the connection was closed'));
    return new Promise((resolve, reject) => {
      // adbkit's parser waits for 'end' or 'error'; a socket that is destroyed gives neither.
      const onClose = () => reject(socket.errored ?? new Error('the connection was closed'));
      socket.once('close', onClose);
      this.#connection.parser.readBytes(count).then(
        (bytes: Buffer) => {
          socket.off('close', onClose);
          resolve(bytes);
        },
        (error: Error) => {
          socket.off('close', onClose);
          reject(error);
        },
      );
    });
  }

  /** Resolves when the connection takes more, so that a slow phone slows the sender. @throws when it is gone. */
  write(data: Uint8Array): Promise<void> {
    const { socket } = this;
    if (socket.destroyed) return Promise.reject(socket.errored ?? new Error('the connection was closed'));
    if (socket.write(data)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = () => {
        socket.off('drain', settle);
        socket.off('close', settle);
        if (socket.destroyed) reject(socket.errored ?? new Error('the connection was closed'));
        else resolve();
      };
      socket.on('drain', settle);
      socket.on('close', settle);
    });
  }

  /** Destroys the connection when the signal fires; gives a function that ends this. */
  abortOn(signal: AbortSignal | undefined): () => void {
    if (signal === undefined) return () => {};
    const onAbort = () => this.socket.destroy(abortError(signal));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    return () => signal.removeEventListener('abort', onAbort);
  }

  close(): void {
    this.socket.destroy();
  }
}

function abortError(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error('aborted');
}
