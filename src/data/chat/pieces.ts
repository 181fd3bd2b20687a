/** A chat template in pieces (proto ChatTemplate), and a conversation rendered by them as the phone does it. */
import type { ChatMessage, Rendering } from './jinja.ts';
import { strip } from './white-space.ts';

/** How a message of one role stands in the text: before, its content, end, after. */
export interface Turn {
  supported: boolean;
  before: string;
  /** What closes the turn, up to and including its token. Learned with an assistant's content. */
  end: string;
  after: string;
}

/** mft.v1.ChatTemplate with every field there; run.proto says what each means. */
export interface Pieces {
  begin: string;
  defaultSystem: string;
  system: Turn;
  user: Turn;
  assistant: Turn;
  systemInUser: boolean;
  systemJoint: string;
  trim: boolean;
  generationPrompt: string;
  alternate: boolean;
  systemUntrimmed: boolean;
}

/** What was expected in a conversation, and what stands there: as device-runtime/text/chat_record.cc says it. */
export interface Fault {
  expected: string;
  found: string;
}

/** Why a conversation can't be rendered by the pieces; undefined: it can. */
export function faultOf(pieces: Pieces, messages: readonly ChatMessage[]): Fault | undefined {
  let wasUser = false;
  let waits = false; // a system message, for the first user message
  for (const [i, { role }] of messages.entries()) {
    if (role === 'system') {
      if (i > 0) return { expected: 'a system message as the first only', found: 'one further behind' };
      if (!pieces.systemInUser && !pieces.system.supported) return refusedRole(role);
      waits = pieces.systemInUser;
      continue;
    }
    if (role !== 'user' && role !== 'assistant')
      return { expected: '"system", "user" or "assistant" as "role"', found: 'another' };
    const isUser = role === 'user';
    if (pieces.alternate && isUser === wasUser) {
      const expected = isUser
        ? "an assistant's message after a user's"
        : "a user's message first, and after each of the assistant's";
      return { expected, found: `role "${role}"` };
    }
    if (waits && !isUser)
      return { expected: "a user's message after the system message", found: 'role "assistant"' };
    if (!pieces[role].supported) return refusedRole(role);
    wasUser = isUser;
    waits = false;
  }
  if (messages.length === 0) return { expected: 'at least one message', found: 'an empty list' };
  return waits ? { expected: "a user's message after the system message", found: 'none' } : undefined;
}

function refusedRole(role: string): Fault {
  return {
    expected: "a role that the model's chat template has",
    found: `role "${role}", which it refuses`,
  };
}

/** The text, or a refusal, as the phone makes it. */
export function renderPieces(
  pieces: Pieces,
  messages: readonly ChatMessage[],
  addGenerationPrompt: boolean,
): Rendering {
  const fault = faultOf(pieces, messages);
  if (fault !== undefined) return { refused: `expected ${fault.expected}, found ${fault.found}` };
  let text = pieces.begin + (messages[0]?.role === 'system' ? '' : pieces.defaultSystem);
  let joint = ''; // what of a system message stands in the user message that comes
  for (const { role, content: raw } of messages) {
    const isTrimmed = pieces.trim && !(pieces.systemUntrimmed && role === 'system');
    const content = isTrimmed ? strip(raw) : raw;
    if (role === 'system' && pieces.systemInUser) {
      joint = content + pieces.systemJoint;
      continue;
    }
    const { before, end, after } = pieces[role as 'system' | 'user' | 'assistant'];
    text += before + joint + content + end + after;
    joint = '';
  }
  return { text: addGenerationPrompt ? text + pieces.generationPrompt : text };
}
