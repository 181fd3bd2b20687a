/**
 * The process in which a chat template runs: a template is a program, and one that nobody vouches for. It may loop or
 * take all memory, so it gets a process that can be killed (jinja.ts); nothing else of mft is here.
 */
import { Template } from '@huggingface/jinja';
import { strip, stripEnd, stripStart } from './white-space.ts';

/** Messages to the process: first how to render, then what. */
export interface Setup {
  source: string;
  /** bos_token and the like. */
  tokens: Record<string, string>;
}

export interface Job {
  messages: { role: string; content: string }[];
  addGenerationPrompt: boolean;
  /** As if it were the beginning of 1970. */
  longAgo: boolean;
}

/** Of a Setup: text is empty. `error`: the template's own refusal, or a mistake in it. */
export type Answer = { text: string } | { error: string };

/** More is no conversation. */
const MAX_TEXT = 256 << 20;

// As templates are written for Python, `trim` is to mean what it means there.
String.prototype.trim = function () {
  return strip(String(this));
};
String.prototype.trimStart = function () {
  return stripStart(String(this));
};
String.prototype.trimEnd = function () {
  return stripEnd(String(this));
};

const Now = Date;
/** The clock that strftime_now reads. */
const LongAgo = class extends Date {
  constructor() {
    super(0);
  }
} as DateConstructor;

let template: Template | undefined;
let tokens: Setup['tokens'] = {};

function handle(message: Setup | Job): Answer {
  if ('source' in message) {
    template = new Template(message.source);
    tokens = message.tokens;
    return { text: '' };
  }
  const { messages, addGenerationPrompt, longAgo } = message;
  globalThis.Date = longAgo ? LongAgo : Now;
  const text = template?.render({
    ...tokens,
    messages,
    add_generation_prompt: addGenerationPrompt,
    // transformers defines these always.
    tools: null,
    documents: null,
  });
  if (text === undefined || text.length > MAX_TEXT) return { error: 'it writes too much' };
  return { text };
}

process.on('message', (message) => {
  let answer: Answer;
  try {
    answer = handle(message as Setup | Job);
  } catch (error) {
    answer = { error: error instanceof Error ? error.message.slice(0, 500) : 'it failed' };
  }
  process.send?.(answer);
});
process.on('disconnect', () => process.exit());
process.send?.({ text: 'ready' });
