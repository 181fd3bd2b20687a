type Input = { read(): Promise<Buffer | null> };

/** Typed-ahead lines that may wait for a reader; then typing is not taken any more. */
const MAX_LINES = 1000;

/**
 * The line discipline of a terminal, as far as a person at `adb shell` needs it: echo, backspace, ^C, ^D, and \r\n on output.
 * There is no pseudo-terminal behind it: programs see a pipe. Input is taken even while nobody reads, because ^C is in it.
 */
export class Terminal {
  readonly #input: Input;
  readonly #send: (data: Buffer) => Promise<void>;
  #line = '';
  /** Lines, and null for each ^D: an end of input that only its reader sees. */
  #ready: (Buffer | null)[] = [];
  #ended = false;
  #wake: () => void = () => undefined;
  /** ^C was typed. */
  onInterrupt: () => void = () => undefined;

  constructor(input: Input, send: (data: Buffer) => Promise<void>) {
    this.#input = input;
    this.#send = send;
    void this.#run()
      .catch(() => undefined)
      .finally(() => {
        this.#ended = true;
        this.#wake();
      });
  }

  readonly print = async (data: Buffer): Promise<void> => {
    if (!data.includes(10)) await this.#send(data);
    else await this.#send(Buffer.from(data.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1'));
  };

  async read(): Promise<Buffer | null> {
    for (;;) {
      const line = this.#ready.shift();
      if (line !== undefined) return line;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #run(): Promise<void> {
    for (;;) {
      const data = await this.#input.read();
      if (data === null) break;
      for (const character of data.toString('latin1')) await this.#type(character);
    }
    if (this.#line !== '') this.#ready.push(Buffer.from(this.#line, 'latin1'));
  }

  async #type(character: string): Promise<void> {
    switch (character) {
      case '\r':
      case '\n':
        await this.#send(Buffer.from('\r\n'));
        if (this.#ready.length < MAX_LINES) this.#ready.push(Buffer.from(`${this.#line}\n`, 'latin1'));
        this.#line = '';
        this.#wake();
        return;
      case '\x7f':
      case '\b':
        if (this.#line !== '') await this.#send(Buffer.from('\b \b'));
        this.#line = this.#line.slice(0, -1);
        return;
      case '\x03':
        // As a terminal does, ^C also throws away what was typed ahead.
        this.#line = '';
        this.#ready = [];
        await this.#send(Buffer.from('^C\r\n'));
        this.onInterrupt();
        return;
      case '\x04':
        this.#ready.push(this.#line === '' ? null : Buffer.from(this.#line, 'latin1'));
        this.#line = '';
        this.#wake();
        return;
      default:
        this.#line += character;
        await this.#send(Buffer.from(character, 'latin1'));
    }
  }
}
