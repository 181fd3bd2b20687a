import type { Job } from '../shell/job.ts';

/**
 * The line discipline of a terminal, as far as a person at `adb shell` needs it: echo, backspace, ^C, ^D, and \r\n on output. There is no
 * pseudo-terminal behind it: programs see a pipe.
 */
export class Terminal {
  readonly #input: { read(): Promise<Buffer | null> };
  readonly #send: (data: Buffer) => Promise<void>;
  readonly #job: Job;
  #line = '';
  #ready: Buffer[] = [];
  #ended = false;

  constructor(input: { read(): Promise<Buffer | null> }, send: (data: Buffer) => Promise<void>, job: Job) {
    this.#input = input;
    this.#send = send;
    this.#job = job;
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
      const data = await this.#input.read();
      if (data === null) {
        this.#ended = true;
        if (this.#line !== '') this.#ready.push(Buffer.from(this.#line, 'latin1'));
        this.#line = '';
        continue;
      }
      for (const character of data.toString('latin1')) await this.#type(character);
    }
  }

  async #type(character: string): Promise<void> {
    switch (character) {
      case '\r':
      case '\n':
        this.#ready.push(Buffer.from(`${this.#line}\n`, 'latin1'));
        this.#line = '';
        await this.#send(Buffer.from('\r\n'));
        return;
      case '\x7f':
      case '\b':
        if (this.#line !== '') await this.#send(Buffer.from('\b \b'));
        this.#line = this.#line.slice(0, -1);
        return;
      case '\x03':
        this.#line = '';
        await this.#send(Buffer.from('^C\r\n'));
        this.#job.kill(2);
        return;
      case '\x04':
        if (this.#line === '') this.#ended = true;
        return;
      default:
        this.#line += character;
        await this.#send(Buffer.from(character, 'latin1'));
    }
  }
}
