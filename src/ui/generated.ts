/** Texts that a phone writes after prompts, one after the other, as they come. */
import { StreamedText } from '../session/index.ts';

export class GeneratedTexts {
  private readonly prompts: readonly string[];
  private readonly chat: boolean;
  private readonly write: (text: string) => void;
  private readonly texts = new Map<number, StreamedText>();
  private openLine = false;

  /** @param chat prompts are messages: of one alone the answer is shown, of several each before its answer */
  constructor(prompts: readonly string[], chat: boolean, write: (text: string) => void) {
    this.prompts = prompts;
    this.chat = chat;
    this.write = write;
  }

  push(index: number, attempt: number, piece: string): void {
    this.textOf(index).push(attempt, piece);
  }

  finish(index: number, text: string): void {
    if (this.done.has(index)) return;
    this.textOf(index).finish(text);
    this.done.add(index);
    this.close();
  }

  /** Ends the line of a text that has no end yet. */
  close(): void {
    if (this.openLine) this.write('\n');
    this.openLine = false;
  }

  private readonly done = new Set<number>();

  private textOf(index: number): StreamedText {
    const known = this.texts.get(index);
    if (known) return known;
    const text = new StreamedText(
      (piece) => {
        this.write(piece);
        this.openLine = true;
      },
      () => this.write('\n(the phone lost its process, and writes it again)\n'),
    );
    this.begin(index);
    this.texts.set(index, text);
    return text;
  }

  private begin(index: number): void {
    const prompt = this.prompts[index] ?? '';
    if (index > 0) this.write('\n');
    this.openLine = true;
    if (!this.chat) this.write(prompt);
    else if (this.prompts.length > 1) this.write(`> ${prompt}\n`);
  }
}
