/** What a person types: lines from a terminal, with editing and a history, or from a pipe. */
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

export interface ChatInput {
  /** The next line; undefined when there are no more (^D, the end of a pipe, close). */
  next(): Promise<string | undefined>;
  /** Asks again for what is being waited for: something was printed in between. */
  redraw(): void;
  close(): void;
}

/** A terminal's stdin. */
export interface TerminalStream extends Readable {
  setRawMode?(raw: boolean): unknown;
}

/** Lines in the order in which they come, and those who wait for one. */
class Queue {
  private readonly lines: string[] = [];
  private waiting: ((line: string | undefined) => void) | undefined;
  private ended = false;

  push(line: string): void {
    if (this.waiting) this.settle(line);
    else this.lines.push(line);
  }

  end(): void {
    this.ended = true;
    if (this.waiting) this.settle(undefined);
  }

  /** Without waiting, if there is one. */
  get isEmpty(): boolean {
    return this.lines.length === 0;
  }

  take(): Promise<string | undefined> {
    const line = this.lines.shift();
    if (line !== undefined || this.ended) return Promise.resolve(line);
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }

  private settle(line: string | undefined): void {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.(line);
  }
}

export function pipedInput(stdin: Readable): ChatInput {
  const queue = new Queue();
  const reader = createInterface({ input: stdin, crlfDelay: Number.POSITIVE_INFINITY });
  reader.on('line', (line) => queue.push(line)).on('close', () => queue.end());
  return {
    next: () => queue.take(),
    redraw() {},
    close() {
      reader.close();
      stdin.destroy();
    },
  };
}

/**
 * Between lines the terminal is left to itself: what is typed meanwhile waits for the next line, and ^C is a signal.
 *
 * @param interrupt ^C while a line is being typed
 */
export function terminalInput(
  stdin: TerminalStream,
  stdout: Writable,
  prompt: string,
  interrupt: () => void,
): ChatInput {
  const queue = new Queue();
  const reader: Interface = createInterface({ input: stdin, output: stdout, prompt, terminal: true });
  let asking = false;
  const rest = () => {
    asking = false;
    reader.pause();
    stdin.setRawMode?.(false);
  };
  reader.on('line', (line) => queue.push(line)).on('close', () => queue.end());
  reader.on('SIGINT', () => {
    stdout.write('\n'); // what was typed of the line stays above
    interrupt();
  });
  rest();
  return {
    async next() {
      if (queue.isEmpty) {
        stdin.setRawMode?.(true);
        reader.resume();
        asking = true;
        reader.prompt();
      }
      const line = await queue.take();
      if (asking && line !== undefined) rest();
      return line;
    },
    redraw() {
      if (asking) reader.prompt(true);
    },
    close: () => reader.close(),
  };
}
