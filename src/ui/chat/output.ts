/** A conversation as a person sees it, or as JSON lines (docs/json.md). */
import type { MftError } from '../../base/errors.ts';
import { jsonLine, printable } from '../../base/printable.ts';
import { COMMANDS } from '../../chat/line.ts';
import { type Reply, replyLine } from '../../chat/reply.ts';

export interface ChatOpening {
  run: string;
  model: string;
  device: string;
  context_length: number;
  seed: number;
  /** Where the chat template stands; null: none. */
  template: string | null;
}

export interface ChatOutput {
  /** The model is ready. */
  opened(opening: ChatOpening): void;
  /** A piece of the answer. */
  text(piece: string): void;
  /** The answer comes again from its beginning. */
  restarted(): void;
  answered(reply: Reply): void;
  /** Something can't be answered or done; the conversation goes on. */
  failed(error: MftError): void;
  /** A word about what happens. */
  note(text: string): void;
  help(): void;
  closed(): void;
}

type Write = (text: string) => void;

const NOTES: Partial<Record<Reply['end'], string>> = {
  max_tokens: 'cut off: --max-tokens gives it more room',
  context_full: 'cut off: the context is full; /reset begins a new conversation',
  interrupted: 'stopped',
};

/** @param out the answers; `aside` everything else, so that a pipe holds answers alone */
export function plainOutput(
  out: Write,
  aside: Write,
  options: { verbose: boolean; interactive: boolean },
): ChatOutput {
  const say = (text: string) => aside(`${printable(text)}\n`);
  let open = false; // a line of the answer
  const endLine = () => {
    if (open) out('\n');
    open = false;
  };
  return {
    opened({ model, device, template, context_length }) {
      say(`${model} on ${device}, ${context_length} tokens of context.`);
      if (template === null)
        say('It has no chat template: it does not answer, it goes on writing what you begin.');
      if (options.interactive) say('/help lists commands, ^C stops an answer, ^D ends.');
    },
    text(piece) {
      out(printable(piece));
      open = true;
    },
    restarted() {
      endLine();
      say('(the phone lost its process, and writes it again)');
    },
    answered(reply) {
      open = true; // an answer without a text is a line, too
      endLine();
      const note = NOTES[reply.end];
      if (note !== undefined) say(`(${note})`);
      if (options.verbose) say(`(${replyLine(reply)})`);
    },
    failed(error) {
      endLine();
      say(`Error: ${error.message} (${error.code})`);
      for (const suggestion of error.suggestions) say(`  try: ${suggestion}`);
    },
    note: (text) => say(text),
    help() {
      for (const [command, meaning] of COMMANDS) say(`${command.padEnd(14)} ${meaning}`);
      say('A message that begins with / is written with //.');
    },
    closed() {},
  };
}

export function jsonOutput(out: Write): ChatOutput {
  const line = (value: object) => out(`${jsonLine(value)}\n`);
  return {
    opened: (opening) => line({ type: 'chat', ...opening }),
    text: (text) => line({ type: 'text', text }),
    restarted: () => line({ type: 'restart' }),
    answered: (reply) => line({ type: 'answer', ...reply }),
    failed: ({ code, message, suggestions }) => line({ type: 'error', code, message, suggestions }),
    note() {},
    help() {},
    closed: () => line({ type: 'end', outcome: 'ended' }),
  };
}
