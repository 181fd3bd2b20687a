/** From a Jinja chat template to its pieces: conversations with marked contents are rendered and cut at the marks. */
import { Inexpressible } from './inexpressible.ts';
import type { ChatMessage, Rendering } from './jinja.ts';
import type { Pieces } from './pieces.ts';
import { strip } from './white-space.ts';

export type Render = (messages: readonly ChatMessage[], addGenerationPrompt?: boolean) => Promise<Rendering>;

/** Contents that no template knows. */
const MARKS = { user: 'Qzu1', assistant: 'Qza1', user2: 'Qzu2', assistant2: 'Qza2', system: 'Qzs1' };
const PADDED = ` \n\t${MARKS.user}\n ${MARKS.user} \n`;

const user = (content: string = MARKS.user): ChatMessage => ({ role: 'user', content });
const assistant = (content: string = MARKS.assistant): ChatMessage => ({ role: 'assistant', content });
const system = (content: string = MARKS.system): ChatMessage => ({ role: 'system', content });

export interface Tokens {
  /** That may close a turn. */
  special: readonly string[];
  /** That begins a text, where there is one. */
  bos?: string | undefined;
}

export interface CompiledPieces {
  pieces: Pieces;
  /** The template asks for an answer behind every conversation, unasked too (Llama 3's first one). */
  asksAlways: boolean;
}

/** @throws Inexpressible where no pieces can say what the template does. What it returns is still to be checked (check.ts). */
export async function compilePieces(render: Render, tokens: Tokens): Promise<CompiledPieces> {
  const { special } = tokens;
  const first = cut(await must(render, [user()], 'a user message'), [MARKS.user]);
  const two = [user(), assistant()];
  const answered = cut(await must(render, two, 'an answer'), [MARKS.user, MARKS.assistant]);
  const conversation = [...two, user(MARKS.user2), assistant(MARKS.assistant2)];
  const long = cut(await must(render, conversation, 'a second question'), [
    MARKS.user,
    MARKS.assistant,
    MARKS.user2,
    MARKS.assistant2,
  ]);
  const asked = cut(await must(render, [user()], 'a question', true), [MARKS.user])[1] ?? '';
  const [head = '', afterUser = ''] = first;
  const [, toAssistant = '', afterAssistant = ''] = answered;
  const [, , between = ''] = long;
  if (answered[0] !== head || long[0] !== head)
    throw new Inexpressible('what stands before the first message depends on those that follow');
  const asksAlways = asked === afterUser && !between.startsWith(afterAssistant);
  const userBefore = asksAlways
    ? commonEnd(head, between, special)
    : behind(between, afterAssistant, OTHERWISE_BEFORE);
  const assistantClose = before(between, userBefore, OTHERWISE_BEFORE);
  const tail = behind(afterAssistant, assistantClose, OTHERWISE_BEFORE);
  if (long[1] !== toAssistant || long[3] !== toAssistant || long[4] !== afterAssistant)
    throw new Inexpressible(OTHERWISE_BEFORE);
  const userClose = before(afterUser, tail, 'asking for an answer changes the question');
  const around = {
    opening: before(head, userBefore, 'the first user message is written otherwise than the second'),
    userBefore,
    userClose,
    tail,
  };
  const trim = await trimming(render, { head, toAssistant, afterUser, afterAssistant });
  const assistantBefore = behind(toAssistant, userClose, "a user's message is written otherwise at the end");
  const pieces = {
    ...(await systemPieces(render, tokens, around, trim)),
    user: { supported: true, before: userBefore, ...closing(userClose, special) },
    assistant: { supported: true, before: assistantBefore, ...closing(assistantClose, special) },
    trim,
    generationPrompt: behind(asked, userClose, 'asking for an answer changes the question'),
    alternate: await alternates(render),
  };
  return { pieces, asksAlways };
}

const OTHERWISE_BEFORE =
  "an assistant's message is written otherwise at the end than before it (as where thinking is left out of earlier answers)";

interface Around {
  opening: string;
  userBefore: string;
  userClose: string;
  /** What stands behind every conversation. */
  tail: string;
}

type SystemPieces = Pick<
  Pieces,
  'begin' | 'defaultSystem' | 'system' | 'systemInUser' | 'systemJoint' | 'systemUntrimmed'
>;

async function systemPieces(
  render: Render,
  { special, bos }: Tokens,
  { opening, userBefore, userClose, tail }: Around,
  trims: boolean,
): Promise<SystemPieces> {
  const none = { supported: false, before: '', end: '', after: '' };
  const without = { begin: opening, defaultSystem: '', system: none, systemInUser: false, systemJoint: '' };
  const rendering = await render([system(), user()]);
  // A template that leaves system messages out does not support them.
  if (rendering.refused !== undefined || !rendering.text.includes(MARKS.system))
    return { ...without, systemUntrimmed: false };
  const [head = '', between = '', close] = cut(rendering.text, [MARKS.system, MARKS.user]);
  if (close !== userClose + tail) throw new Inexpressible('a system message changes how a user message ends');
  const padded = await must(render, [system(PADDED), user()], 'a system message');
  const systemUntrimmed = trims && isVerbatim(padded, head, between + MARKS.user + close);
  if (!trims && !isVerbatim(padded, head, between + MARKS.user + close))
    throw new Inexpressible('white space is taken off system messages, but not off others');
  const common = { ...without, systemUntrimmed };
  if (between.endsWith(userBefore)) {
    const begin = bos !== undefined && head.startsWith(bos) && opening.startsWith(bos) ? bos : '';
    const end = closing(between.slice(0, between.length - userBefore.length), special);
    const turn = { supported: true, before: head.slice(begin.length), ...end };
    return { ...common, begin, defaultSystem: opening.slice(begin.length), system: turn };
  }
  const begin = before(head, userBefore, 'a system message is written in a way of its own');
  const defaultSystem = behind(opening, begin, 'a system message changes the beginning');
  return { ...common, begin, defaultSystem, systemInUser: true, systemJoint: between };
}

/** The longest end that both have; it does not begin within a special token of `b`. */
function commonEnd(a: string, b: string, special: readonly string[]): string {
  let length = 0;
  while (length < Math.min(a.length, b.length) && a.at(-1 - length) === b.at(-1 - length)) length += 1;
  for (let at = b.length - length; at < b.length; at += 1)
    if (special.some((token) => token !== '' && b.slice(0, at).endsWith(token))) return b.slice(at);
  return b.slice(b.length - length);
}

/** Whether white space is taken off contents. */
async function trimming(
  render: Render,
  around: { head: string; toAssistant: string; afterUser: string; afterAssistant: string },
): Promise<boolean> {
  const { head, toAssistant, afterUser, afterAssistant } = around;
  const asked = await must(render, [user(PADDED)], 'a question with white space around it');
  const answered = await must(render, [user(), assistant(PADDED)], 'an answer with white space around it');
  const ofUser = !isVerbatim(asked, head, afterUser);
  const ofAssistant = !isVerbatim(answered, head + MARKS.user + toAssistant, afterAssistant);
  if (ofUser === ofAssistant) return ofUser;
  throw new Inexpressible(
    `white space is taken off ${ofUser ? "the user's" : "the assistant's"} messages alone`,
  );
}

/** Whether PADDED stands between as it is; the other way is stripped. @throws Inexpressible when it is neither. */
function isVerbatim(text: string, head: string, tail: string): boolean {
  if (text === head + PADDED + tail) return true;
  if (text === head + strip(PADDED) + tail) return false;
  throw new Inexpressible('white space in a message changes what stands around it');
}

/** Whether messages must take turns. Where only some orders are refused, all but turns are. */
async function alternates(render: Render): Promise<boolean> {
  const orders = [
    [user(), user()],
    [assistant(), user()],
    [user(), assistant(), assistant(MARKS.assistant2)],
  ];
  for (const order of orders) if ((await render(order)).refused !== undefined) return true;
  return false;
}

/** What follows a content: `end` up to and including the token that closes the turn. Without such a token all of it. */
function closing(text: string, special: readonly string[]): { end: string; after: string } {
  const ends = special.filter((token) => token !== '').map((token) => endOfLast(text, token));
  const at = Math.max(-1, ...ends);
  return at < 0 ? { end: text, after: '' } : { end: text.slice(0, at), after: text.slice(at) };
}

function endOfLast(text: string, token: string): number {
  const at = text.lastIndexOf(token);
  return at < 0 ? -1 : at + token.length;
}

async function must(
  render: Render,
  messages: readonly ChatMessage[],
  what: string,
  addGenerationPrompt = false,
): Promise<string> {
  const rendering = await render(messages, addGenerationPrompt);
  if (rendering.refused === undefined) return rendering.text;
  throw new Inexpressible(`it refuses ${what}: ${rendering.refused}`);
}

/** The text around the marks, each of which stands in it once, in this order. */
function cut(text: string, marks: readonly string[]): string[] {
  const parts: string[] = [];
  let rest = text;
  for (const mark of marks) {
    const at = rest.indexOf(mark);
    if (at < 0) throw new Inexpressible('it leaves a message out, or changes it');
    parts.push(rest.slice(0, at));
    rest = rest.slice(at + mark.length);
  }
  parts.push(rest);
  if (parts.some((part) => marks.some((mark) => part.includes(mark))))
    throw new Inexpressible('it writes a message twice, or in another order');
  return parts;
}

function behind(text: string, start: string, why: string): string {
  if (!text.startsWith(start)) throw new Inexpressible(why);
  return text.slice(start.length);
}

function before(text: string, end: string, why: string): string {
  if (!text.endsWith(end)) throw new Inexpressible(why);
  return text.slice(0, text.length - end.length);
}
