/**
 * Conversations whose template pieces can't express, rendered here: each becomes a record of segments. Learned of it is what
 * every assistant's message adds to the rendering that asks for it, up to the token that closes it.
 */
import type { ChatMessage } from './jinja.ts';
import type { ChatTemplate } from './template.ts';
import { stripEnd } from './white-space.ts';

export interface Segment {
  text: string;
  label: boolean;
}

/** Why a conversation can't be cut; a clause with what was expected and found. */
export class Uncuttable extends Error {
  readonly expected: string;
  readonly found: string;
  constructor(expected: string, found: string) {
    super(`expected ${expected}, found ${found}`);
    this.expected = expected;
    this.found = found;
  }
}

/** @throws Uncuttable; MftError data.chat-template when the template refuses the conversation or runs away. */
export async function segmentsOf(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
): Promise<Segment[]> {
  const whole = await template.render(messages, { addGenerationPrompt: false });
  const segments: Segment[] = [];
  let done = 0;
  for (const [i, { role }] of messages.entries()) {
    if (role !== 'assistant') continue;
    const asked = await prefixOf(template, whole, messages.slice(0, i), true);
    const answered = await prefixOf(template, whole, messages.slice(0, i + 1), false);
    if (asked < done || answered < asked) throw otherwise();
    const end = asked + closedEnd(whole.slice(asked, answered), template.special);
    segments.push({ text: whole.slice(done, asked), label: false });
    segments.push({ text: whole.slice(asked, end), label: true });
    done = end;
  }
  segments.push({ text: whole.slice(done), label: false });
  return segments.filter(({ text }) => text !== '');
}

/** How much of the whole text the rendering of the first messages is. */
async function prefixOf(
  template: ChatTemplate,
  whole: string,
  messages: readonly ChatMessage[],
  addGenerationPrompt: boolean,
): Promise<number> {
  if (messages.length === 0) throw new Uncuttable("a message before the assistant's first", 'none');
  const text = await template.render(messages, { addGenerationPrompt });
  if (!whole.startsWith(text)) throw otherwise();
  return text.length;
}

function otherwise(): Uncuttable {
  return new Uncuttable(
    'a conversation in which each answer is written as it is without the messages behind it',
    'one of which the chat template leaves something out (as the thinking in earlier answers): give each answer a record of its own',
  );
}

/** Behind the token that closes a turn there is white space only. */
function closedEnd(text: string, special: readonly string[]): number {
  const kept = stripEnd(text);
  return special.some((token) => token !== '' && kept.endsWith(token)) ? kept.length : text.length;
}
