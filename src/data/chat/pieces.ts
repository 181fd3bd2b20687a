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

/** The same text, or a refusal, as device-runtime/text/chat_record.cc. */
export function renderPieces(
  pieces: Pieces,
  messages: readonly ChatMessage[],
  addGenerationPrompt: boolean,
): Rendering {
  if (messages.length === 0) return { refused: 'there is no message' };
  let text = pieces.begin;
  let waiting: string | undefined; // a system message that stands in the first user message
  let last: string | undefined;
  for (const [i, { role, content: raw }] of messages.entries()) {
    if (i === 0 && role !== 'system') text += pieces.defaultSystem;
    const isTrimmed = pieces.trim && !(pieces.systemUntrimmed && role === 'system');
    const content = isTrimmed ? strip(raw) : raw;
    if (role === 'system') {
      if (i > 0) return { refused: 'a system message may stand first only' };
      if (pieces.systemInUser) waiting = content;
      else if (!pieces.system.supported) return { refused: 'it has no system messages' };
      else text += pieces.system.before + content + pieces.system.end + pieces.system.after;
      continue;
    }
    if (role !== 'user' && role !== 'assistant') return { refused: `it has no role ${role.slice(0, 40)}` };
    if (pieces.alternate && (role === 'user') === (last === 'user'))
      return { refused: 'user and assistant must take turns, the user first' };
    if (waiting !== undefined && role !== 'user')
      return { refused: 'a user message must follow the system message' };
    last = role;
    const turn = pieces[role];
    if (!turn.supported) return { refused: `it has no role ${role}` };
    const joint = waiting === undefined ? '' : waiting + pieces.systemJoint;
    waiting = undefined;
    text += turn.before + joint + content + turn.end + turn.after;
  }
  if (waiting !== undefined) return { refused: 'a user message must follow the system message' };
  return { text: addGenerationPrompt ? text + pieces.generationPrompt : text };
}
