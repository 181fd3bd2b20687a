import type { Socket } from 'node:net';
import { Line, type LineConditions } from './line.ts';
import {
  Command,
  checksumOf,
  header,
  MAX_PAYLOAD,
  type Message,
  MessageParser,
  ProtocolError,
  VERSION_MIN,
  VERSION_SKIP_CHECKSUM,
} from './message.ts';
import { AdbStream, type StreamCarrier } from './stream.ts';

const NOTHING = Buffer.alloc(0);
/** Streams a peer may have open at once. adb itself rarely has more than a few. */
const MAX_STREAMS = 1024;

export interface TransportOptions {
  /** What CNXN says: `device::ro.product.name=...;features=...`. */
  banner: string;
  conditions: LineConditions;
  /** Starts the service, or returns false if there is no such service. */
  open(service: string, stream: AdbStream, transport: Transport): boolean | Promise<boolean>;
  closed(transport: Transport): void;
}

/**
 * One connection from an adb server. There is no authentication: like an adbd with ro.adb.secure=0. The phone therefore listens on
 * the loopback address alone.
 */
export class Transport implements StreamCarrier {
  readonly #line: Line;
  readonly #options: TransportOptions;
  readonly #parser = new MessageParser();
  readonly #streams = new Map<number, AdbStream>();
  readonly #ended = new AbortController();
  #nextId = 1;
  #connected = false;
  #checksums = true;
  maxPayload = 4096;

  constructor(socket: Socket, options: TransportOptions) {
    this.#options = options;
    this.#line = new Line(socket, options.conditions);
    this.#line.start(
      (chunk) => {
        for (const message of this.#parser.push(chunk)) this.#handle(message);
      },
      () => this.#lost(),
    );
  }

  /** Aborted when the connection ends, for whatever reason. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  send(command: number, arg0: number, arg1: number, payload: Buffer = NOTHING): void {
    this.#line.send(header(command, arg0, arg1, payload, this.#checksums), payload);
  }

  forget(localId: number): void {
    this.#streams.delete(localId);
  }

  drop(): void {
    this.#line.drop();
  }

  /** Opens a stream towards the host (for reverse forwards). Undefined if the host refuses. */
  async openTowardsHost(service: string): Promise<AdbStream | undefined> {
    if (!this.#connected) return undefined;
    const stream = new AdbStream(this, this.#takeId(), 0);
    this.#streams.set(stream.localId, stream);
    const answer = stream.opened();
    this.send(Command.OPEN, stream.localId, 0, Buffer.from(`${service}\0`));
    return (await answer) ? stream : undefined;
  }

  #handle(message: Message): void {
    if (message.command === Command.CNXN) {
      this.#introduce(message);
      return;
    }
    if (!this.#connected) throw new ProtocolError('first message is not CNXN');
    if (this.#checksums && message.checksum !== checksumOf(message.payload))
      throw new ProtocolError('checksum');
    switch (message.command) {
      case Command.OPEN:
        this.#open(message);
        break;
      case Command.OKAY:
        this.#streams.get(message.arg1)?.acknowledged(message.arg0);
        break;
      case Command.WRTE: {
        const stream = this.#streams.get(message.arg1);
        // A stream that has just closed: the peer learns it from the CLSE that is on its way.
        if (stream !== undefined && !stream.received(message.payload))
          throw new ProtocolError('flow control');
        break;
      }
      case Command.CLSE:
        this.#streams.get(message.arg1)?.remoteClosed(false);
        break;
      case Command.AUTH:
        break; // an answer to a question that was not asked
      default:
        throw new ProtocolError(`command ${message.command.toString(16)}`);
    }
  }

  #introduce(message: Message): void {
    if (this.#connected) {
      // A second CNXN means the peer has started over (protocol.txt): whatever was open is gone.
      for (const stream of [...this.#streams.values()]) stream.remoteClosed(true);
    }
    const version = message.arg0;
    if (version < VERSION_MIN) throw new ProtocolError(`version ${version.toString(16)}`);
    const skip = version >= VERSION_SKIP_CHECKSUM;
    const needsCheck = !skip || message.checksum !== 0;
    if (needsCheck && message.checksum !== checksumOf(message.payload))
      throw new ProtocolError('checksum of CNXN');
    if (message.arg1 < 1) throw new ProtocolError('max payload 0');
    this.maxPayload = Math.min(MAX_PAYLOAD, message.arg1);
    this.#parser.setLimit(MAX_PAYLOAD);
    this.#connected = true;
    // Our own CNXN always carries its checksum; the peer may not know the rule yet.
    this.#checksums = true;
    this.send(Command.CNXN, VERSION_SKIP_CHECKSUM, MAX_PAYLOAD, Buffer.from(this.#options.banner));
    this.#checksums = !skip;
  }

  #open(message: Message): void {
    const remoteId = message.arg0;
    if (remoteId === 0) throw new ProtocolError('OPEN with id 0');
    const end = message.payload.indexOf(0);
    const service = message.payload.toString('utf8', 0, end < 0 ? message.payload.length : end);
    if (this.#streams.size >= MAX_STREAMS) {
      this.send(Command.CLSE, 0, remoteId);
      return;
    }
    const stream = new AdbStream(this, this.#takeId(), remoteId);
    this.#streams.set(stream.localId, stream);
    void Promise.resolve()
      .then(() => this.#options.open(service, stream, this))
      .catch(() => false)
      .then((accepted) => {
        if (accepted) {
          this.send(Command.OKAY, stream.localId, remoteId);
          stream.accepted();
        } else {
          this.forget(stream.localId);
          this.send(Command.CLSE, 0, remoteId);
        }
      });
  }

  #takeId(): number {
    do {
      this.#nextId = this.#nextId >= 0x7fffffff ? 1 : this.#nextId + 1;
    } while (this.#streams.has(this.#nextId));
    return this.#nextId;
  }

  #lost(): void {
    for (const stream of [...this.#streams.values()]) stream.remoteClosed(true);
    this.#streams.clear();
    this.#ended.abort();
    this.#options.closed(this);
  }
}
