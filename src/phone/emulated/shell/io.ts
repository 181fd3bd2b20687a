import { closeSync, read as readCallback, write as writeCallback } from 'node:fs';
import { promisify } from 'node:util';
import type { PhoneFiles } from '../files.ts';

const readFd = promisify(readCallback);
const writeFd = promisify(writeCallback);

/** Nobody reads any more: what SIGPIPE tells a process. */
export class BrokenPipe extends Error {}

/**
 * An open file description of the shell: counted, because several commands hold it at once, and closed with the last holder. (That a
 * command in the background keeps `adb shell` waiting is how phones behave.)
 */
export abstract class Description {
  #holders = 1;

  retain(): this {
    this.#holders += 1;
    return this;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.close();
  }

  /** The host's file descriptor, if a child can simply inherit it. */
  get fd(): number | undefined {
    return undefined;
  }

  #returned: Buffer[] = [];

  /** The next bytes, or null at the end. */
  async read(): Promise<Buffer | null> {
    return this.#returned.shift() ?? (await this.readMore());
  }

  /** Puts back what a reader took and did not use; the next read gets it. */
  unread(data: Buffer): void {
    if (data.length > 0) this.#returned.unshift(data);
  }

  protected async readMore(): Promise<Buffer | null> {
    return null;
  }

  /** @throws BrokenPipe, or an error with an errno code */
  abstract write(data: Buffer): Promise<void>;

  /** The reading side is no longer interested (for pipes). */
  stopReading(): void {}

  protected close(): void {}
}

const READ_SIZE = 256 * 1024;

export class FileDescription extends Description {
  readonly #fd: number;
  readonly #files: PhoneFiles;

  /** @param fd is closed with the description */
  constructor(fd: number, files: PhoneFiles) {
    super();
    this.#fd = fd;
    this.#files = files;
  }

  override get fd(): number {
    return this.#fd;
  }

  protected override async readMore(): Promise<Buffer | null> {
    const { bytesRead, buffer } = await readFd(this.#fd, Buffer.allocUnsafe(READ_SIZE), 0, READ_SIZE, null);
    return bytesRead === 0 ? null : buffer.subarray(0, bytesRead);
  }

  override async write(data: Buffer): Promise<void> {
    this.#files.takeSpace(data.length);
    for (let at = 0; at < data.length; ) {
      at += (await writeFd(this.#fd, data, at, data.length - at, null)).bytesWritten;
    }
  }

  protected override close(): void {
    closeSync(this.#fd);
  }
}

/** Bytes go to a function; used for what leaves the shell. */
export class OutputDescription extends Description {
  readonly #output: (data: Buffer) => Promise<void>;
  readonly #closed: () => void;

  constructor(output: (data: Buffer) => Promise<void>, closed: () => void = () => undefined) {
    super();
    this.#output = output;
    this.#closed = closed;
  }

  override async write(data: Buffer): Promise<void> {
    if (data.length > 0) await this.#output(data);
  }

  protected override close(): void {
    this.#closed();
  }
}

/** Bytes come from a function; used for what enters the shell. */
export class InputDescription extends Description {
  readonly #input: () => Promise<Buffer | null>;

  constructor(input: () => Promise<Buffer | null>) {
    super();
    this.#input = input;
  }

  protected override readMore(): Promise<Buffer | null> {
    return this.#input();
  }

  override async write(): Promise<void> {
    throw new BrokenPipe();
  }
}

/** Bytes a pipe holds before its writer waits, as on Linux. */
const PIPE_BYTES = 64 * 1024;

/** A pipe between two commands: `reader` and `writer` are its two ends. */
export function pipe(): { reader: Description; writer: Description } {
  const pieces: Buffer[] = [];
  let bytes = 0;
  let writing = true;
  let reading = true;
  let waiting: (() => void)[] = [];
  const wake = () => {
    const now = waiting;
    waiting = [];
    for (const resolve of now) resolve();
  };
  const change = () => new Promise<void>((resolve) => waiting.push(resolve));

  class Reader extends Description {
    protected override async readMore(): Promise<Buffer | null> {
      for (;;) {
        const piece = pieces.shift();
        if (piece !== undefined) {
          bytes -= piece.length;
          wake();
          return piece;
        }
        if (!writing) return null;
        await change();
      }
    }
    override async write(): Promise<void> {
      throw new BrokenPipe();
    }
    override stopReading(): void {
      reading = false;
      wake();
    }
    protected override close(): void {
      this.stopReading();
    }
  }
  class Writer extends Description {
    override async write(data: Buffer): Promise<void> {
      if (data.length === 0) return;
      while (reading && bytes >= PIPE_BYTES) await change();
      if (!reading) throw new BrokenPipe();
      pieces.push(data);
      bytes += data.length;
      wake();
    }
    protected override close(): void {
      writing = false;
      wake();
    }
  }
  return { reader: new Reader(), writer: new Writer() };
}
