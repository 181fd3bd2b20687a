import type { ChatMessage } from '../data/index.ts';

/** What was said so far. A turn that was begun is part of it only once it was answered. */
export class Conversation {
  private turns: ChatMessage[] = [];
  private system: string | undefined;

  constructor(system?: string) {
    this.setSystem(system);
  }

  /** Takes its place before everything; undefined or empty: none. */
  setSystem(text: string | undefined): void {
    this.system = text === undefined || text.trim() === '' ? undefined : text;
  }

  /** With the next thing said, unanswered. */
  with(said: string): ChatMessage[] {
    return [...this.messages, { role: 'user', content: said }];
  }

  answered(said: string, answer: string): void {
    this.turns.push({ role: 'user', content: said }, { role: 'assistant', content: answer });
  }

  reset(): void {
    this.turns = [];
  }

  get messages(): ChatMessage[] {
    const begin = this.system === undefined ? [] : [{ role: 'system', content: this.system }];
    return [...begin, ...this.turns];
  }
}
